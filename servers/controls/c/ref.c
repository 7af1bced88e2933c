// A server in C under the contract of the README, as small as it can be: what
// the models in Go are measured against. It parses as much of HTTP as it takes
// to find the end of a request, and answers every one of them alike.
//
//   cc -O2 -pthread -o ref ref.c
//   ref MODEL PROTOCOL PORT [PROCESSES]
//
//   MODEL      epoll    one event loop in each of PROCESSES processes (1)
//              thread   a thread for each connection
//              process  a process for each connection
//   PROTOCOL   http or echo
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static const char answer[] =
    "HTTP/1.1 200 OK\r\nServer: ref\r\nContent-Type: text/plain\r\n"
    "Content-Length: 13\r\n\r\nHello, World!";

static int port, echo;

static void usage(void) {
  fprintf(stderr, "usage: ref epoll|thread|process http|echo PORT [PROCESSES]\n");
  exit(2);
}

static void fatal(const char *what) {
  perror(what);
  exit(1);
}

static void on_term(int sig) {
  (void)sig;
  _exit(0);
}

static int listener(int reuseport, int nonblock) {
  int one = 1;
  int fd = socket(AF_INET, SOCK_STREAM | (nonblock ? SOCK_NONBLOCK : 0), 0);
  if (fd < 0) fatal("socket");
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (reuseport) setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(fd, (struct sockaddr *)&a, sizeof a)) fatal("bind");
  if (listen(fd, 4096)) fatal("listen");
  return fd;
}

static void nodelay(int fd) {
  int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

// Writes all of buf; waits where the socket is full, also if it is not blocking.
static int send_all(int fd, const char *buf, ssize_t n) {
  while (n > 0) {
    ssize_t w = write(fd, buf, n);
    if (w < 0) {
      struct pollfd p = {.fd = fd, .events = POLLOUT};
      if (errno == EAGAIN && poll(&p, 1, 10000) > 0) continue;
      return -1;
    }
    buf += w;
    n -= w;
  }
  return 0;
}

// Answers what was read. *matched is how much of an end of request, \r\n\r\n,
// the connection has seen.
static int respond(int fd, const char *buf, ssize_t n, int *matched) {
  if (echo) return send_all(fd, buf, n);
  for (ssize_t i = 0; i < n; i++) {
    char want = (*matched & 1) ? '\n' : '\r';
    if (buf[i] != want) {
      *matched = buf[i] == '\r';
    } else if (++*matched == 4) {
      *matched = 0;
      if (send_all(fd, answer, sizeof answer - 1)) return -1;
    }
  }
  return 0;
}

static void serve(int fd) {
  char buf[4096];
  int matched = 0;
  ssize_t n;
  while ((n = read(fd, buf, sizeof buf)) > 0)
    if (respond(fd, buf, n, &matched)) break;
  close(fd);
}

static void *serve_thread(void *fd) {
  serve((int)(long)fd);
  return NULL;
}

static void epoll_loop(void) {
  static int matched[1 << 20]; // by descriptor
  static char buf[65536];
  struct epoll_event e = {.events = EPOLLIN}, events[512];
  int ls = listener(1, 1), ep = epoll_create1(0);
  e.data.fd = ls;
  epoll_ctl(ep, EPOLL_CTL_ADD, ls, &e);
  for (;;) {
    int n = epoll_wait(ep, events, 512, -1);
    for (int i = 0; i < n; i++) {
      int fd = events[i].data.fd;
      if (fd == ls) {
        int c;
        while ((c = accept4(ls, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
          nodelay(c);
          matched[c] = 0;
          e.events = EPOLLIN;
          e.data.fd = c;
          epoll_ctl(ep, EPOLL_CTL_ADD, c, &e);
        }
        continue;
      }
      ssize_t r = read(fd, buf, sizeof buf);
      if (r < 0 && errno == EAGAIN) continue;
      if (r <= 0 || respond(fd, buf, r, &matched[fd])) close(fd);
    }
  }
}

static void accept_loop(int threads) {
  int ls = listener(0, 0);
  pthread_attr_t attr;
  pthread_attr_init(&attr);
  pthread_attr_setstacksize(&attr, 65536);
  pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
  for (;;) {
    int fd = accept(ls, NULL, NULL);
    if (fd < 0) {
      perror("accept");
      usleep(10000);
      continue;
    }
    nodelay(fd);
    if (threads) {
      pthread_t t;
      if (pthread_create(&t, &attr, serve_thread, (void *)(long)fd)) {
        perror("pthread_create");
        close(fd);
      }
      continue;
    }
    pid_t pid = fork();
    if (pid == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      close(ls);
      serve(fd);
      _exit(0);
    }
    if (pid < 0) perror("fork");
    close(fd);
  }
}

int main(int argc, char **argv) {
  if (argc < 4 || argc > 5) usage();
  echo = !strcmp(argv[2], "echo");
  port = atoi(argv[3]);
  int processes = argc > 4 ? atoi(argv[4]) : 1;
  if ((!echo && strcmp(argv[2], "http")) || port < 1 || port > 65535 || processes < 1) usage();

  signal(SIGPIPE, SIG_IGN);
  signal(SIGCHLD, SIG_IGN);
  signal(SIGTERM, on_term);
  struct rlimit r;
  getrlimit(RLIMIT_NOFILE, &r);
  r.rlim_cur = r.rlim_max;
  setrlimit(RLIMIT_NOFILE, &r);

  if (!strcmp(argv[1], "epoll")) {
    for (int i = 1; i < processes; i++)
      if (fork() == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        break;
      }
    epoll_loop();
  }
  if (strcmp(argv[1], "thread") && strcmp(argv[1], "process")) usage();
  accept_loop(!strcmp(argv[1], "thread"));
}
