/*
 * operator_address.h: where a server listens to its operator: STATE_DIR/control.sock.
 */
#ifndef PBXHOOK_OPERATOR_ADDRESS_H
#define PBXHOOK_OPERATOR_ADDRESS_H

#include <sys/un.h>

#define OPERATOR_SOCKET_NAME "control.sock"

/*
 * An address has room for 107 bytes, and a state directory's path may be longer: so it goes by way of an
 * open descriptor of the directory, which is returned, valid as long as the address is used; the caller
 * closes it. A negative errno when the directory can't be opened.
 */
int operator_address_open(const char *state_dir, struct sockaddr_un *out);

#endif
