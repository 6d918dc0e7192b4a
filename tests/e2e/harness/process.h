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

/* Waits for its end: the status as of waitpid(). Fails the test, and kills it, after limit_ms. */
int process_wait(pid_t pid, int limit_ms);

/* How a program that runs to its end ended, and what it said; texts are freed by process_forget(). */
struct process_result {
    int exit_status; /* -1: a signal */
    char *output;
    char *errors;
};
void process_run(const char *const *words, const struct environment *environment,
                 const char *directory, struct process_result *out);
void process_forget(struct process_result *result);

#endif
