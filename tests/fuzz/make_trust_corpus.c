/* make_trust_corpus.c - writes corpus/trust: a whole bundle, one of a single market, one after a rotation, a state.
 *
 *     make_trust_corpus CORPUS_DIR
 *
 * Run it again when the format changes; the files are in the tree, so that tests need no step before them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/file.h"
#include "trust_maker.h"

static void save_bundle(const char *dir, const char *name, const trust_maker *m)
{
    char path[4096], *text = trust_maker_bundle(m);
    snprintf(path, sizeof path, "%s/trust/%s", dir, name);
    if (tdm__file_write_atomic(path, text, strlen(text), 0644) != 0) {
        fprintf(stderr, "make_trust_corpus: %s cannot be written\n", path);
        exit(1);
    }
    free(text);
}

int main(int argc, char **argv)
{
    trust_maker m;
    char path[4096];
    if (argc != 2)
        return 2;
    trust_maker_init(&m);
    save_bundle(argv[1], "whole.json", &m);
    tdm__trust_source source = trust_maker_source(&m);
    tdm__trust *t = NULL;
    tdm__trust_fault fault;
    snprintf(path, sizeof path, "%s/trust/state.json", argv[1]);
    remove(path);
    if (tdm__trust_install(path, trust_maker_first_root(&m), &source, TRUST_MAKER_NOW, &t, &fault, NULL) != TDM_OK)
        return 1;
    tdm__trust_destroy(t);
    m.plan[MAKER_SNAPSHOT].keys[0] = 8;
    trust_maker_publish_root(&m);
    m.has_hashes = true;
    trust_maker_publish(&m);
    save_bundle(argv[1], "rotated.json", &m);
    trust_maker_fini(&m);
    trust_maker_init(&m);
    trust_maker_remove(&m, trust_maker_file_name(&m, MAKER_US));
    save_bundle(argv[1], "one_market.json", &m);
    trust_maker_fini(&m);
    return 0;
}
