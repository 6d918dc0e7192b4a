/*
 * load.c: pbxhook-load, which posts the life of calls to a webhook over N keep-alive connections and
 * measures the answers, for the benchmark and the end-to-end tests.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "driver.h"
#include "options.h"
#include "tally.h"

/* Reports, whatever came of it. */
static int driver_finish(struct driver *driver)
{
    int status = tally_is_clean(driver->tally) ? 0 : 1;

    if (!driver->options->quiet)
        tally_print(driver->tally, driver->options);
    if (driver->options->report != NULL && tally_write_report(driver->tally, driver->options) != 0)
        status = 1;
    if (driver->acknowledged != NULL && fclose(driver->acknowledged) != 0) {
        perror(driver->options->acknowledged);
        status = 1;
    }
    driver->acknowledged = NULL;
    return status;
}

int main(int argc, char **argv)
{
    static struct options options; /* static: large */
    static struct tally tally;
    struct driver driver = {.options = &options, .tally = &tally, .epoll_fd = -1, .timer_fd = -1};
    struct sigaction action = {.sa_handler = driver_interrupt};
    int status;

    switch (options_read(&options, argc, argv)) {
    case OPTIONS_SHOWN:
        return 0;
    case OPTIONS_WRONG:
        return 2;
    case OPTIONS_RUN:
        break;
    }
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    if (driver_start(&driver) != 0) {
        status = 2;
    } else if (driver_connect(&driver) != 0) {
        status = 3;
    } else {
        driver_run(&driver);
        status = driver_finish(&driver);
    }
    driver_close(&driver);
    return status;
}
