/* User Mode Linux 6.1 sets its processes' vector registers with a buffer of 2,696 bytes. A CPU with AMX has more state
 * than that, and the machine's kernel then wants all of it (xstateregs_set in arch/x86/kernel/fpu/regset.c: EFAULT
 * otherwise), so the private kernel dies at its first process. Preloaded, this pads that one request with zeros: the
 * tiles, which nothing in a guest may use. It needs no header, so that the smallest compiler will do. */
struct iovec { char *base; unsigned long length; };
extern void *dlsym(void *handle, const char *symbol);

enum { PTRACE_SETREGSET = 0x4205, NT_X86_XSTATE = 0x202 };

long ptrace(long request, long pid, long address, void *data)
{
	static char whole[65536];
	static long (*libc_ptrace)(long, long, long, void *);
	struct iovec *given = data, padded;
	unsigned long i;

	if (!libc_ptrace)
		libc_ptrace = (long (*)(long, long, long, void *))dlsym((void *)-1 /* RTLD_NEXT */, "ptrace");
	if (request != PTRACE_SETREGSET || address != NT_X86_XSTATE || given->length > sizeof(whole))
		return libc_ptrace(request, pid, address, data);
	for (i = 0; i < given->length; i++)
		whole[i] = given->base[i];
	padded.base = whole;
	padded.length = sizeof(whole);
	return libc_ptrace(request, pid, address, &padded);
}
