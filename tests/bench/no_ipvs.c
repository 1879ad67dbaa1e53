/* Lets Debian's keepalived run its checkers where the kernel has no IPVS: loaded before libnl, it agrees to every
 * message of the IPVS family without sending it. Nothing else of keepalived is touched, so a probe costs what it costs. */
#include <stddef.h>

enum { FAMILY = 32, CALLBACKS = 16, ACKNOWLEDGED = 4 /* NL_CB_ACK of libnl's netlink/handlers.h */ };

typedef int callback(void *message, void *argument);

static callback *callbacks[CALLBACKS];
static void *arguments[CALLBACKS];

int genl_connect(void *socket)
{
	(void)socket;
	return 0;
}

int genl_ctrl_resolve(void *socket, const char *family)
{
	(void)socket;
	(void)family;
	return FAMILY;
}

int nl_socket_modify_cb(void *socket, int type, int kind, callback *function, void *argument)
{
	(void)socket;
	(void)kind;
	if (type >= 0 && type < CALLBACKS) {
		callbacks[type] = function;
		arguments[type] = argument;
	}
	return 0;
}

int nl_socket_modify_err_cb(void *socket, int kind, void *function, void *argument)
{
	(void)socket;
	(void)kind;
	(void)function;
	(void)argument;
	return 0;
}

int nl_send_auto(void *socket, void *message)
{
	(void)socket;
	(void)message;
	return 1;
}

int nl_recvmsgs_default(void *socket)
{
	(void)socket;
	if (callbacks[ACKNOWLEDGED] != NULL)
		callbacks[ACKNOWLEDGED](NULL, arguments[ACKNOWLEDGED]);
	return 0;
}
