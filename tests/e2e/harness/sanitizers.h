/*
 * sanitizers.h: what a sanitizer has found in a program under test, it writes to the program's standard error, and
 * nowhere else: the exit status is lost when the program is a worker, is killed, or is to fail anyway.
 */
#ifndef E2E_SANITIZERS_H
#define E2E_SANITIZERS_H

/* Fails the test when there is a report in the text. */
void sanitizers_check_text(const char *text);

/* The same of each file in the directory, and not of those below. */
void sanitizers_check_files(const char *directory);

#endif
