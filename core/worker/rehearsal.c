/* rehearsal.c: see rehearsal.h. */
#include "worker/rehearsal.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/config.h"
#include "http/transfer.h"
#include "pbx/client.h"
#include "worker/plugin_host.h"

/* What the workers will open to reach others: the files of secrets and of authorities. */
static int check_logins(const struct config *config)
{
    char error[1024] = "";
    struct pbx_client *client = NULL;
    int code = pbx_client_open(config, &client, error, sizeof error);
    pbx_client_close(client);
    for (size_t i = 0; i < config->target_count && code == 0; i++) {
        struct transfer_target target;
        code = transfer_target_open(&config->targets[i], config->download_dir, &target, error,
                                    sizeof error);
        if (code == 0)
            transfer_target_close(&target);
    }
    if (code < 0)
        fprintf(stderr, "%s\n", error);
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
        code = check_logins(config);
    if (code == 0 && (code = pass_on(config)) < 0)
        fputs("the configuration can't be passed on: out of memory\n", stderr);
    plugin_host_free(host);
    config_free(config);
    return code == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
