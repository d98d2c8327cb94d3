/* make_signed_corpus.c - writes what the keys of signed_maker sign: corpus/filing/STATE.json,
 * corpus/record/record.json.
 *
 *     make_signed_corpus CORPUS_DIR
 *
 * Run it again when the format changes; the files are in the tree, so that tests need no step before them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "case_maker.h"
#include "os/file.h"
#include "route/record.h"

static void save(const char *dir, const char *name, const char *text)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    if (tdm__file_write_atomic(path, text, strlen(text), 0644) == 0)
        return;
    fprintf(stderr, "make_signed_corpus: %s cannot be written\n", path);
    exit(1);
}

int main(int argc, char **argv)
{
    static const char *const states[] = {"draft", "asked", "ending", "revoked"};
    tdm__secret_key device, maker;
    char *json = NULL, name[64];
    if (argc != 2)
        return 2;
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        json = case_maker_in(states[i]);
        snprintf(name, sizeof name, "filing/%s.json", states[i]);
        save(argv[1], name, json);
        free(json);
    }
    signed_maker_key(SIGNED_DEVICE, &device);
    signed_maker_key(SIGNED_MAKER, &maker);
    const tdm__device_record r = {.device = "DEMO-0001",
                                  .device_key = device.public_key,
                                  .sku = "A3108-CN/256",
                                  .sold_in = "CN",
                                  .profile = TDM__PROFILE_ADULT,
                                  .issued_unix_s = CASE_T0,
                                  .expires_unix_s = CASE_T0 + 86400,
                                  .is_demo = true};
    if (tdm__device_record_make(&r, &maker, &json, NULL) != TDM_OK)
        return 1;
    save(argv[1], "record/record.json", json);
    json_t *envelope = json_loads(json, 0, NULL);
    free(json);
    json = json_dumps(json_object_get(envelope, "signed"), JSON_COMPACT);
    save(argv[1], "record/record_body.json", json);
    json_decref(envelope);
    free(json);
    return 0;
}
