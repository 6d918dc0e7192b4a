/* cmocka_all.h: cmocka with the headers that it wants before it. */
#ifndef E2E_CMOCKA_ALL_H
#define E2E_CMOCKA_ALL_H

/* clang-format off: the order is cmocka's */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
/* clang-format on */

#endif
