/* operator_address.c: see operator_address.h. */
#include "operator/operator_address.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>

int operator_address_open(const char *state_dir, struct sockaddr_un *out)
{
    int fd = open(state_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(out->sun_path, sizeof out->sun_path, "/proc/self/fd/%d/" OPERATOR_SOCKET_NAME, fd);
    return fd;
}
