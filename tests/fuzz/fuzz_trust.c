/* fuzz_trust.c - bundles and state files over arbitrary bytes. Whoever holds none of trust_maker's keys can make a
 * device believe nothing but what they signed: every target that comes out is one of the signed files.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "policy/trust_internal.h"
#include "trust_maker.h"

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void check_targets(const trust_maker *m, const tdm__trust *t)
{
    for (size_t i = 0; i < tdm__trust_n_targets(t); i++) {
        tdm__trust_target target;
        const char *text = NULL;
        tdm__trust_target_at(t, i, &target);
        for (int r = MAKER_TARGETS; r < MAKER_ROLES && !text; r++)
            text = json_string_value(json_object_get(m->content[r], target.path));
        check(text && tdm__str_eq(target.bytes, tdm__str_from(text)));
    }
    check(tdm__trust_version(t) == 1 && tdm__trust_is_demo(t));
}

static void check_bundle(trust_maker *m, tdm__str bytes)
{
    tdm__trust_source source;
    tdm__trust *t = NULL;
    tdm__trust_fault fault;
    tdm_error err = {0};
    if (tdm__trust_source_bundle(bytes, &source, &err) != TDM_OK) {
        check(err.msg[0] != '\0');
        return;
    }
    tdm_status s = tdm__trust_verify(trust_maker_first_root(m), &source, TRUST_MAKER_NOW, &t, &fault, &err);
    check((s == TDM_OK) == (fault == TDM__TRUST_NONE));
    if (s == TDM_OK)
        check_targets(m, t);
    tdm__trust_destroy(t);
    tdm__trust_source_fini(&source);
}

static void check_state(tdm__str bytes)
{
    tdm__trust_believed b;
    tdm__trust_floors f;
    if (tdm__trust_state_parse(bytes, &b, &f, NULL) != TDM_OK)
        return;
    check(b.root.text && f.meta && f.timestamp >= 0 && f.newest_unix_s >= 0);
    tdm__trust_believed_fini(&b);
    tdm__trust_floors_fini(&f);
}

int tdm_fuzz_one(const uint8_t *data, size_t len)
{
    static trust_maker m;
    if (!m.files)
        trust_maker_init(&m);
    check_bundle(&m, (tdm__str){(const char *)data, len});
    check_state((tdm__str){(const char *)data, len});
    return 0;
}
