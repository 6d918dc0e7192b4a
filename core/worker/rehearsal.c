/* rehearsal.c: see rehearsal.h. */
#include "worker/rehearsal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config.h"
#include "http/transfer.h"
#include "pbx/client.h"
#include "store/store.h"
#include "worker/plugin_host.h"

int rehearsal_check_logins(const struct config *config)
{
    char error[1024] = "", told[2048] = "";
    struct pbx_client *client = NULL;
    int code = pbx_client_open(config, &client, error, sizeof error);
    if (code < 0) {
        config_add_error(config, told, sizeof told, "%s", error);
        fprintf(stderr, "%s\n", told);
    }
    pbx_client_close(client);
    for (size_t i = 0; i < config->target_count; i++) {
        struct transfer_target target;
        if (transfer_target_open(&config->targets[i], config->download_dir, &target, error,
                                 sizeof error) == 0) {
            transfer_target_close(&target);
            continue;
        }
        fprintf(stderr, "%s: %s\n", config->targets[i].origin, error);
        code = -1;
    }
    return code;
}

/* Workers that wait for a database that is away would be replaced by some that can't start. SQLite's file is here, and
 * its writer at work. */
static int check_store(const struct config *config)
{
    char error[1024] = "";
    struct store *store = NULL;
    const struct store_options options = {
        .url = config->store.url, .mode = STORE_READ, .password_file = config->store.password_file};
    if (strncmp(config->store.url, "sqlite:", 7) == 0)
        return 0;
    int code = store_open(&options, &store, error, sizeof error);
    if (code < 0)
        fprintf(stderr, "%s\n", error);
    store_close(store);
    return code;
}

static int pass_on(const struct config *config)
{
    FILE *out = fdopen(REHEARSAL_CONFIG_FD, "w");
    if (out == NULL)
        return -1;
    int code = config_print(config, out, 0);
    return fclose(out) == 0 ? code : -1;
}

int rehearsal_main(const char *config_path)
{
    struct config *config = NULL;
    struct plugin_host *host = NULL;
    if (config_load(config_path, 1, stderr, &config) < 0)
        return EXIT_FAILURE;
    int code = plugin_host_load(config, stderr, &host);
    if (code == 0)
        code = rehearsal_check_logins(config);
    if (code == 0)
        code = check_store(config);
    if (code == 0 && (code = pass_on(config)) < 0)
        fputs("the configuration can't be passed on: out of memory\n", stderr);
    plugin_host_free(host);
    config_free(config);
    return code == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
