/* A TCP server that costs little: it accepts every connection to a port, says nothing, and lets go of it once the client
 * does, as a real one would that waits for a question.
 *
 * Usage: patient_server PORT INTERFACE */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256, BACKLOG = 4096 };

static int listen_at(int port, const char *interface)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	int on = 1;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	/* With lo: all of 127.0.0.0/8, and nothing that comes from outside. */
	if (setsockopt(listener, SOL_SOCKET, SO_BINDTODEVICE, interface, strlen(interface)) != 0
	    || bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, BACKLOG) != 0)
		exit(2);
	return listener;
}

static void watch(int epoll, int file)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.fd = file};

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, file, &event) != 0)
		exit(2);
}

static void accept_all(int epoll, int listener)
{
	int file;

	while ((file = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0 || errno == ECONNABORTED)
		if (file >= 0)
			watch(epoll, file);
}

int main(int count, char **words)
{
	struct epoll_event ready[EVENTS];
	int listener, epoll;

	if (count != 3)
		return 2;
	listener = listen_at(atoi(words[1]), words[2]);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	watch(epoll, listener);
	for (;;) {
		int found = epoll_wait(epoll, ready, EVENTS, -1);

		for (int each = 0; each < found; each++) {
			if (ready[each].data.fd == listener)
				accept_all(epoll, listener);
			else
				close(ready[each].data.fd);
		}
	}
}
