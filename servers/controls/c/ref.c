// A minimal server in C under the contract of the README, with which the models in
// Go are compared. It parses only as much HTTP as it needs to find the end of a
// request, and answers /healthz, /plaintext and /echo.
//
//   cc -O2 -pthread -o ref ref.c
//   ref MODEL PROTOCOL PORT [PROCESSES]
//
//   MODEL      epoll    one event loop in each of PROCESSES processes (1)
//              thread   a thread for each connection
//              process  a process for each connection, forked when it arrives
//   PROTOCOL   http or echo
//
// On SIGTERM it accepts the connections in the queue, closes the listener, serves
// requests in flight or on their way for GRACE_MS, and ends. Requests that are not
// finished after DRAIN_MS are cut off.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
  GRACE_MS = 300,
  DRAIN_MS = 4000,
  LINGER_MS = 1000,      // that a connection is read after its last answer
  MAX_FDS = 1 << 20,     // descriptors of a process
  MAX_PIDS = 1 << 22,    // the kernel's limit
  MAX_HEADER = 16 << 10, // bytes of a request
  MAX_BODY = 4 << 20,
};

static int port, echo;
static volatile sig_atomic_t draining;
static sigset_t open_mask; // does not block the signals

static void usage(void) {
  fprintf(stderr, "usage: ref epoll|thread|process http|echo PORT [PROCESSES]\n");
  exit(2);
}

static void fatal(const char *what) {
  perror(what);
  exit(1);
}

static long now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void on_term(int sig) {
  (void)sig;
  draining = 1;
}

static void on_child(int sig) { (void)sig; }

static void handle(int sig, void (*f)(int)) {
  struct sigaction a = {.sa_handler = f, .sa_flags = SA_RESTART};
  sigaction(sig, &a, NULL);
}

static int listener(int reuseport) {
  int one = 1;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (fd < 0) fatal("socket");
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (reuseport) setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(fd, (struct sockaddr *)&a, sizeof a)) fatal("bind");
  if (listen(fd, 4096)) fatal("listen");
  return fd;
}

// Returns the next connection of the queue, or -1 if that is empty.
static int next_conn(int ls, int flags) {
  int one = 1;
  int fd = accept4(ls, NULL, NULL, flags);
  if (fd < 0) {
    if (errno == EAGAIN) return -1;
    perror("accept"); // no descriptors, for instance: the connections stay in the queue
    usleep(10000);
    return -1;
  }
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return fd;
}

// Writes all of buf. Waits while the socket is full, also if it is non-blocking.
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

// A conn keeps the incomplete request of a connection between two reads. Most
// connections never have one.
struct conn {
  char *part;
  size_t len, cap;
};

static int keep(struct conn *c, const char *in, size_t n) {
  if (c->len + n > c->cap) {
    size_t cap = c->cap ? c->cap : 4096;
    while (cap < c->len + n) cap *= 2;
    char *p = realloc(c->part, cap);
    if (!p) return -1;
    c->part = p;
    c->cap = cap;
  }
  memcpy(c->part + c->len, in, n);
  c->len += n;
  return 0;
}

static void forget(struct conn *c) {
  free(c->part);
  *c = (struct conn){0};
}

static int reply(int fd, const char *status, int close, const char *body, size_t n) {
  char head[256];
  int h = snprintf(head, sizeof head,
                   "HTTP/1.1 %s\r\nServer: ref\r\nContent-Type: text/plain\r\n"
                   "Content-Length: %zu\r\n%s\r\n",
                   status, n, close ? "Connection: close\r\n" : "");
  struct iovec v[2] = {{head, h}, {(char *)body, n}};
  ssize_t w = writev(fd, v, 2);
  if (w < 0 && errno != EAGAIN) return -1;
  if (w < 0) w = 0;
  if (w < h) {
    if (send_all(fd, head + w, h - w)) return -1;
    w = h;
  }
  return send_all(fd, body + (w - h), n - (w - h)) || close ? -1 : 0;
}

static int refuse(int fd, const char *status) {
  reply(fd, status, 1, status + 4, strlen(status) - 4);
  return -1;
}

static int is(const char *line, size_t n, const char *want) {
  return n >= strlen(want) && !memcmp(line, want, strlen(want));
}

// Answers the first request of buf. Returns its length, 0 if it is incomplete, or
// -1 if the connection must be closed.
static ssize_t request(int fd, const char *buf, size_t n) {
  static const char hello[] =
      "HTTP/1.1 200 OK\r\nServer: ref\r\nContent-Type: text/plain\r\n"
      "Content-Length: 13\r\n\r\nHello, World!";
  char first = buf[0] | 0x20;
  if (first < 'a' || first > 'z') return refuse(fd, "400 Bad Request");
  const char *end = memmem(buf, n, "\r\n\r\n", 4);
  if (!end && n <= MAX_HEADER) return 0;
  if (!end || end - buf > MAX_HEADER) return refuse(fd, "431 Request Header Fields Too Large");

  const char *line = memchr(buf, '\r', n); // after the request line
  size_t start = line - buf, length = 0;
  if (start < 9 || (memcmp(line - 9, " HTTP/1.1", 9) && memcmp(line - 9, " HTTP/1.0", 9)))
    return refuse(fd, "400 Bad Request");
  int close = draining || line[-1] == '0';
  for (; line < end; line = memchr(line + 2, '\r', end + 1 - (line + 2))) {
    const char *field = line + 2;
    if (line[1] != '\n') return refuse(fd, "400 Bad Request");
    if (!strncasecmp(field, "content-length:", 15)) {
      field += 15;
      while (*field == ' ') field++;
      char *rest;
      if (*field < '0' || *field > '9') return refuse(fd, "400 Bad Request");
      length = strtoul(field, &rest, 10);
      if (*rest != '\r') return refuse(fd, "400 Bad Request");
      if (length > MAX_BODY) return refuse(fd, "413 Content Too Large");
    } else if (!strncasecmp(field, "transfer-encoding:", 18)) {
      return refuse(fd, "501 Not Implemented");
    } else if (!strncasecmp(field, "connection: close", 17)) {
      close = 1;
    }
  }
  const char *body = end + 4;
  size_t size = body - buf + length;
  if (n < size) return 0;

  int err;
  if (is(buf, start, "GET /plaintext ")) {
    err = close ? reply(fd, "200 OK", 1, "Hello, World!", 13) : send_all(fd, hello, sizeof hello - 1);
  } else if (is(buf, start, "POST /echo ")) {
    err = reply(fd, "200 OK", close, body, length);
  } else if (is(buf, start, "GET /healthz ")) {
    err = reply(fd, "200 OK", close, "ok", 2);
  } else {
    err = reply(fd, "404 Not Found", close, "Not Found", 9);
  }
  return err ? -1 : (ssize_t)size;
}

// Answers the requests that were read. Returns -1 if the connection must be closed.
static int respond(int fd, struct conn *c, const char *in, size_t n) {
  if (echo) return send_all(fd, in, n);
  if (c->len) {
    if (keep(c, in, n)) return -1;
    in = c->part;
    n = c->len;
  }
  size_t at = 0;
  while (at < n) {
    ssize_t size = request(fd, in + at, n - at);
    if (size < 0) return -1;
    if (size == 0) break;
    at += size;
  }
  if (!c->len) return at < n ? keep(c, in + at, n - at) : 0;
  memmove(c->part, c->part + at, c->len - at);
  c->len -= at;
  if (!c->len) forget(c);
  return 0;
}

// Closes a connection after the last answer. First it reads what the client still
// sends: closing with unread bytes resets the connection, and the reset can
// overtake the answer.
static void hang_up(int fd, int linger_ms) {
  char buf[4096];
  long end = now_ms() + linger_ms;
  struct timeval t = {.tv_sec = linger_ms / 1000, .tv_usec = linger_ms % 1000 * 1000 + 1};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
  shutdown(fd, SHUT_WR);
  while (recv(fd, buf, sizeof buf, linger_ms ? 0 : MSG_DONTWAIT) > 0 && now_ms() <= end) {
  }
}

static void serve(int fd) {
  char buf[4096];
  struct conn c = {0};
  ssize_t n;
  while ((n = read(fd, buf, sizeof buf)) > 0)
    if (respond(fd, &c, buf, n)) break;
  forget(&c);
  hang_up(fd, n > 0 && !draining ? LINGER_MS : 0);
}

// ---- processes ----

static unsigned char child[MAX_PIDS]; // by pid
static int children;

static void die_with_parent(pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
}

static void add_child(pid_t pid) {
  child[pid] = 1;
  children++;
}

static void reap(void) {
  pid_t pid;
  while (children && (pid = waitpid(-1, NULL, WNOHANG)) > 0) {
    child[pid] = 0;
    children--;
  }
}

static void signal_children(int sig) {
  for (int pid = 0; children && pid < MAX_PIDS; pid++)
    if (child[pid]) kill(pid, sig);
}

// Waits until the children have ended. They have been told to.
static void wait_children(void) {
  for (long end = now_ms() + DRAIN_MS; children && now_ms() < end; reap()) usleep(2000);
  signal_children(SIGKILL);
  while (children && wait(NULL) > 0) children--;
}

static int served; // the connection of a child

static void on_child_term(int sig) {
  struct itimerval t = {.it_value.tv_usec = GRACE_MS * 1000};
  (void)sig;
  draining = 1;
  setitimer(ITIMER_REAL, &t, NULL);
}

static void on_alarm(int sig) {
  (void)sig;
  shutdown(served, SHUT_RD); // ends it after the bytes that have already arrived
}

static void spawn(int fd, int ls) {
  pid_t parent = getpid(), pid = fork();
  if (pid == 0) {
    close(ls);
    served = fd;
    handle(SIGTERM, on_child_term);
    handle(SIGALRM, on_alarm);
    sigprocmask(SIG_SETMASK, &open_mask, NULL);
    die_with_parent(parent);
    serve(fd);
    _exit(0);
  }
  if (pid < 0) perror("fork");
  else add_child(pid);
  close(fd);
}

// ---- epoll ----

static void epoll_loop(int ls) {
  static struct conn conns[MAX_FDS]; // by descriptor
  static char buf[65536];
  struct epoll_event e = {.events = EPOLLIN}, events[512];
  int ep = epoll_create1(0), open = 0;
  long grace = 0, end = 0;
  e.data.fd = ls;
  epoll_ctl(ep, EPOLL_CTL_ADD, ls, &e);
  for (;;) {
    int wait = -1;
    if (ls < 0) {
      long t = now_ms();
      wait = t < grace ? grace - t : 0;
      if (!open || t >= end) return;
    }
    int n = epoll_pwait(ep, events, 512, wait, &open_mask);
    if (n == 0 && ls < 0 && now_ms() >= grace) return;
    int accepting = draining && ls >= 0;
    for (int i = 0; i < n; i++) {
      int fd = events[i].data.fd;
      if (fd == ls) {
        accepting = 1;
        continue;
      }
      ssize_t r = read(fd, buf, sizeof buf);
      if (r < 0 && errno == EAGAIN) continue;
      if (r <= 0 || respond(fd, &conns[fd], buf, r)) {
        forget(&conns[fd]);
        hang_up(fd, 0);
        close(fd);
        open--;
      }
    }
    for (int c; accepting && (c = next_conn(ls, SOCK_NONBLOCK)) >= 0; open++) {
      e.events = EPOLLIN;
      e.data.fd = c;
      epoll_ctl(ep, EPOLL_CTL_ADD, c, &e);
    }
    if (draining && ls >= 0) {
      close(ls);
      ls = -1;
      grace = now_ms() + GRACE_MS;
      end = now_ms() + DRAIN_MS;
      signal_children(SIGTERM);
    }
  }
}

// ---- threads ----

static atomic_char busy[MAX_FDS]; // by descriptor: whether a thread serves it
static atomic_int threads;

static void *serve_thread(void *arg) {
  int fd = (int)(long)arg;
  serve(fd);
  busy[fd] = 0; // before another connection can get the descriptor
  close(fd);
  threads--;
  return NULL;
}

static void start_thread(int fd) {
  static pthread_attr_t attr;
  static int ready;
  if (!ready) {
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 65536);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    ready = 1;
  }
  pthread_t t;
  busy[fd] = 1;
  threads++;
  if (pthread_create(&t, &attr, serve_thread, (void *)(long)fd)) {
    perror("pthread_create");
    busy[fd] = 0;
    threads--;
    close(fd);
  }
}

static void wait_threads(void) {
  long start = now_ms(), cut = 0;
  while (threads && now_ms() < start + DRAIN_MS) {
    if (!cut && now_ms() >= start + GRACE_MS) {
      cut = 1;
      for (int fd = 0; fd < MAX_FDS; fd++)
        if (busy[fd]) shutdown(fd, SHUT_RD);
    }
    usleep(2000);
  }
}

// ---- main ----

static void accept_loop(int ls, int with_threads) {
  struct pollfd p = {.fd = ls, .events = POLLIN};
  for (int last = 0; !last;) {
    ppoll(&p, 1, NULL, &open_mask);
    last = draining;
    for (int fd; (fd = next_conn(ls, 0)) >= 0;) {
      if (with_threads) start_thread(fd);
      else spawn(fd, ls);
    }
    reap();
  }
  close(ls);
}

int main(int argc, char **argv) {
  if (argc < 4 || argc > 5) usage();
  echo = !strcmp(argv[2], "echo");
  port = atoi(argv[3]);
  int processes = argc > 4 ? atoi(argv[4]) : 1;
  if ((!echo && strcmp(argv[2], "http")) || port < 1 || port > 65535 || processes < 1) usage();
  int epoll = !strcmp(argv[1], "epoll"), process = !strcmp(argv[1], "process");
  if (!epoll && !process && strcmp(argv[1], "thread")) usage();

  // Signals are unblocked only while a loop waits, so that none arrives between
  // its check of the flag and its wait.
  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  sigaddset(&blocked, SIGCHLD);
  sigprocmask(SIG_BLOCK, &blocked, &open_mask);
  signal(SIGPIPE, SIG_IGN);
  handle(SIGCHLD, on_child);
  handle(SIGTERM, on_term);
  struct rlimit r;
  getrlimit(RLIMIT_NOFILE, &r);
  r.rlim_cur = r.rlim_max < MAX_FDS ? r.rlim_max : MAX_FDS;
  setrlimit(RLIMIT_NOFILE, &r);

  if (epoll) {
    pid_t parent = getpid();
    int first = 1;
    for (int i = 1; i < processes && first; i++) {
      pid_t pid = fork();
      if (pid < 0) fatal("fork");
      if (pid == 0) {
        first = 0;
        children = 0;
        die_with_parent(parent);
      } else {
        add_child(pid);
      }
    }
    epoll_loop(listener(1));
    wait_children(); // the first process has children, and has told them to end
    return 0;
  }
  accept_loop(listener(0), !process);
  if (process) {
    signal_children(SIGTERM);
    wait_children();
  } else {
    wait_threads();
  }
  return 0;
}
