/* What a TCP check costs the kernel alone: kept sockets are connected in batches, awaited with epoll(7) and reset. Nobody
 * schedules, judges or shows anything here, so that no director can be cheaper.
 *
 * Usage: floor TARGETS BATCH FIRST PORT
 * Each target, from the IPv4 address FIRST on and 250 to the last byte, is connected to once a second. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PER_NETWORK = 250, MOST = 1024 };

static int idle[MOST], kept, epoll;
static char pending[65536];

static int line(void)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET};
	int file;

	if (kept > 0)
		return idle[--kept];
	file = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	event.data.fd = file;
	if (file < 0 || file >= (int)sizeof pending || epoll_ctl(epoll, EPOLL_CTL_ADD, file, &event) != 0)
		exit(2);
	return file;
}

static void start(struct in_addr address, int port)
{
	struct sockaddr_in target = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = address};
	int file = line();

	if (connect(file, (struct sockaddr *)&target, sizeof target) != 0 && errno != EINPROGRESS)
		exit(3);
	pending[file] = 1;
}

static int serve(int patience)
{
	static const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
	struct epoll_event ready[MOST];
	int found = epoll_wait(epoll, ready, MOST, patience);

	for (int each = 0; each < found; each++) {
		int file = ready[each].data.fd;

		/* A reset is reported once, too, for a socket that is idle by then. */
		if (!pending[file] || !(ready[each].events & EPOLLOUT))
			continue;
		if (ready[each].events & EPOLLERR)
			exit(4);
		pending[file] = 0;
		connect(file, &nobody, sizeof nobody);
		if (kept == MOST)
			exit(5);
		idle[kept++] = file;
	}
	return found;
}

int main(int count, char **words)
{
	struct in_addr first, address;
	struct timespec due;
	long targets, batch, next = 0;

	if (count != 5 || inet_aton(words[3], &first) == 0)
		return 2;
	targets = atol(words[1]);
	batch = atol(words[2]);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	clock_gettime(CLOCK_MONOTONIC, &due);
	for (;;) {
		for (long each = 0; each < batch; each++, next = (next + 1) % targets) {
			address.s_addr = htonl(ntohl(first.s_addr) + next / PER_NETWORK * 256 + next % PER_NETWORK);
			start(address, atoi(words[4]));
		}
		while (serve(0) > 0)
			continue;
		due.tv_nsec += 1000000000L / targets * batch;
		due.tv_sec += due.tv_nsec / 1000000000L;
		due.tv_nsec %= 1000000000L;
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
	}
}
