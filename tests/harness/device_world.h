/* device_world.h - a phone's folder for tests: shipped markets signed by a small repository, a record, cases, a clock.
 *
 * Everything that a device believes is really signed and really verified; only the clock is the test's (time() is
 * wrapped by the program that links this). Whatever fails here ends the test program.
 */
#ifndef TDM_TEST_DEVICE_WORLD_H
#define TDM_TEST_DEVICE_WORLD_H

#include "request/device.h"
#include "rules_world.h"
#include "temp_folder.h"
#include "trust_maker.h"

enum { DEVICE_NOW = TRUST_MAKER_NOW, DEVICE_DAY = 86400 };

extern int64_t device_world_now; /* what time() says */

typedef struct device_world {
    char folder[TDM__TEMP_FOLDER_TEXT];
    char state[96], record[96], policy[128], installed_record[128]; /* paths */
    trust_maker maker;
} device_world;

/* An empty folder, the clock at DEVICE_NOW, a repository with China and the US as shipped; nothing is installed. */
void device_world_init(device_world *w);
void device_world_fini(device_world *w);

/* The market's policy of the repository anew from share/, each "from" in its YAML being "to" (NULL: as it stands). */
void device_world_set_market(device_world *w, const char *market, const char *from, const char *to);
void device_world_set_keys(device_world *w, signed_maker_who revoked); /* as rules_world's; one more may be revoked */

/* What the maker flashes. */
void device_world_install(device_world *w);
/* The repository as it stands now, as a bundle. */
tdm_status device_world_put(device_world *w, tdm__device *d, tdm__trust_fault *fault, tdm_error *err);

typedef struct device_world_record {
    const char *device, *sold_in;
    signed_maker_who signer;
    int64_t issued_unix_s, expires_unix_s;
    bool is_real; /* no demonstration's */
} device_world_record;

/* A record at w->record: DEMO-1, sold in China, made a day ago, by the maker. */
device_world_record device_world_usual(void);
void device_world_write_record(device_world *w, const device_world_record *r);

/* A case among the device's, as rules_case_json makes it, for assistant; partner "" is the own model. */
void device_world_write_case(device_world *w, const char *state, const char *id, const char *partner);

void device_world_write(const char *path, const char *text);
char *device_world_read(const char *path); /* malloc'd */

#endif
