/* emulate.c - stand-ins up and down: a port each, one loop, one service, one thread that brings the model.
 *
 * The pages answer before the model is there; a chat then gets 503 model_loading. The stand-ins' device is their own
 * and has no record, so the built-in market answers: this machine's model only, and a stand-in can ask no partner.
 */
#include "emulate/emulate.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "emulate/emulate_internal.h"
#include "os/thread.h"

enum { OUTPUT_BYTES_MAX = 8 << 20 };

typedef struct run {
    tdm__emulator emulator;
    const tdm__emulate_options *options;
    pthread_t loader;
    bool loader_runs;
    atomic_bool stop_loading;
} run;

static void *loader_main(void *user)
{
    run *r = user;
    tdm_error err = {0};
    if (r->options->load(r->options->load_user, r->emulator.service, &r->stop_loading, &err) < 0 &&
        !atomic_load(&r->stop_loading)) {
        tdm__service_set_failed(r->emulator.service, &err);
        fprintf(stderr, "the model cannot be loaded: %s\n", err.msg);
    }
    return NULL;
}

static void signalled(void *user, int signal_number)
{
    (void)signal_number;
    run *r = user;
    atomic_store(&r->stop_loading, true);
    tdm__loop_stop(r->emulator.loop);
}

/* ---- up ---- */

static tdm_status find_vendor(const char *partner, const tdm__vendor **out, tdm_error *err)
{
    char known[256] = "";
    size_t n = 0;
    *out = tdm__vendor_find(partner);
    if (*out)
        return TDM_OK;
    for (size_t i = 0; i < tdm__n_vendors; i++)
        n += (size_t)snprintf(known + n, sizeof known - n, "%s%s", i > 0 ? ", " : "", tdm__vendors[i].id);
    TDM_FAIL(err, TDM_ERR_INVAL, "'%.40s' is no partner that can be stood in for; these are: %s", partner, known);
}

static tdm_status put_up(tdm__emulator *e, const tdm__emulated *wanted, tdm__emulated_fault fault, tdm_error *err)
{
    tdm__stand_in *s = &e->stand_ins[e->n_stand_ins];
    *s = (tdm__stand_in){.emulator = e, .fault = fault};
    TDM_TRY(find_vendor(wanted->partner, &s->vendor, err));
    for (size_t i = 0; i < e->n_stand_ins; i++)
        if (e->stand_ins[i].vendor == s->vendor)
            TDM_FAIL(err, TDM_ERR_INVAL, "%s is named twice", s->vendor->id);
    TDM_TRY(tdm__http_address_parse("127.0.0.1:0", &s->address, err));
    s->address.port = wanted->port;
    tdm__http_server_options o = tdm__http_server_options_default();
    o.output_bytes_max = OUTPUT_BYTES_MAX;
    TDM_TRY(tdm__http_server_create(e->loop, &o, &tdm__stand_in_handler, s, &s->server, err));
    e->n_stand_ins++;
    return tdm__http_server_listen(s->server, &s->address, err);
}

static tdm_status announce_and_load(run *r, tdm_error *err)
{
    const tdm__emulator *e = &r->emulator;
    for (size_t i = 0; i < e->n_stand_ins; i++)
        fprintf(stderr, "tandem: emulating %s on http://%s:%u\n", e->stand_ins[i].vendor->id,
                e->stand_ins[i].address.host, (unsigned)e->stand_ins[i].address.port);
    int rc = tdm__thread_start(&r->loader, loader_main, r);
    if (rc != 0)
        return tdm__fail_os(err, rc, "cannot start the thread that loads the model");
    r->loader_runs = true;
    return TDM_OK;
}

static tdm_status set_up(run *r, tdm_error *err)
{
    tdm__emulator *e = &r->emulator;
    const tdm__emulate_options *o = r->options;
    tdm__emulated_fault fault = TDM__EMULATED_FINE;
    if (o->fault)
        TDM_TRY(tdm__emulated_fault_find(o->fault, &fault, err));
    e->faults_dir = o->faults_dir;
    TDM_TRY(tdm__request_log_open(o->log_path, &e->log_fd, err));
    TDM_TRY(tdm__loop_create(&e->loop, err));
    for (size_t i = 0; i < o->n_partners; i++)
        TDM_TRY(put_up(e, &o->partners[i], fault, err));
    TDM_TRY(tdm__loop_on_signal(e->loop, SIGTERM, signalled, r, err));
    TDM_TRY(tdm__loop_on_signal(e->loop, SIGINT, signalled, r, err));
    TDM_TRY(tdm__device_open(o->state_dir, "", &e->device, err));
    TDM_TRY(tdm__service_create(e->device, &e->service, err));
    return announce_and_load(r, err);
}

/* ---- down ---- */

static void take_down(run *r)
{
    tdm__emulator *e = &r->emulator;
    if (r->loader_runs)
        pthread_join(r->loader, NULL);
    for (size_t i = 0; i < e->n_stand_ins; i++)
        tdm__http_server_destroy(e->stand_ins[i].server); /* cancels what runs */
    tdm__service_destroy(e->service);                     /* every answer has its last event now */
    tdm__emulated_answers_free(e);
    tdm__device_close(e->device);
    tdm__loop_destroy(e->loop);
    if (e->log_fd >= 0)
        close(e->log_fd);
}

tdm_status tdm__emulate_run(const tdm__emulate_options *o, tdm_error *err)
{
    run r = {.options = o, .emulator = {.log_fd = -1}};
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
    sigaction(SIGPIPE, &ignore, &before); /* a client that left is an error code of write */
    tdm_status s = set_up(&r, err);
    if (s == TDM_OK)
        s = tdm__loop_run(r.emulator.loop, err);
    take_down(&r);
    sigaction(SIGPIPE, &before, NULL);
    return s;
}
