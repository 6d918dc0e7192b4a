/*
 * process.h: starting programs with an environment of our own and seeing how they end. What is started
 * here dies with the test's program, however that ends.
 */
#ifndef E2E_PROCESS_H
#define E2E_PROCESS_H

#include <sys/types.h>

/* The environment of a program: what the sanitizers and gcov want is passed on, the rest is set. */
#define PROCESS_ENVIRONMENT 64
struct environment {
    char *entry[PROCESS_ENVIRONMENT]; /* NAME=VALUE, owned; NULL at the end */
    int count;
};

void environment_init(struct environment *environment);
void environment_set(struct environment *environment, const char *name, const char *value);
void environment_clear(struct environment *environment);

/*
 * Starts words[0] with these words, NULL at the end. Its standard output and error go to the files
 * (NULL: output is dropped; error is appended to). Its pid.
 */
pid_t process_start(const char *const *words, const struct environment *environment,
                    const char *output_path, const char *error_path);

/* The user that a program runs as which refuses to run as root: Debian's postgres, or nobody. */
struct process_user {
    uid_t uid;
    gid_t gid;
};
/* 1 and *out when the tests run as root, else 0: their own user will do. */
int process_find_user(struct process_user *out);
/* As process_start(), as that user (NULL: the tests' own) and in the root directory. */
pid_t process_start_as(const struct process_user *user, const char *const *words,
                       const struct environment *environment, const char *output_path,
                       const char *error_path);

/* Waits for its end: the status as of waitpid(). Fails the test, and kills it, after limit_ms. */
int process_wait(pid_t pid, int limit_ms);

/* Processes whose parent it is now, as /proc tells. Their number, at most max. */
int process_list_children(pid_t parent, pid_t *out, int max);
/* Whether it is gone; a child of this process is taken off its hands. */
int process_is_gone(pid_t pid);

/* How a program that runs to its end ended, and what it said; texts are freed by process_forget(). Fails the test
 * when a sanitizer has said something. */
struct process_result {
    int exit_status; /* -1: a signal */
    char *output;
    char *errors;
};
void process_run(const char *const *words, const struct environment *environment,
                 const char *directory, struct process_result *out);
void process_forget(struct process_result *result);

#endif
