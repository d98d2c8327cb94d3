/* yaml.c - libyaml's events to JSON, under rules of our own.
 *
 * Events and not documents: only they tell where each thing stands, and an alias is one event that can be refused
 * before it multiplies anything. The tree grows on a stack of 32 frames, so depth costs nothing. The line of a place
 * is found by reading once more and stopping there: it is asked for only when something is wrong already, so no tree of
 * lines is kept beside the tree of values.
 */
#include "policy/yaml.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "base/error.h"

enum {
    YAML_BYTES_MAX = 8 << 20,
    YAML_DEPTH_MAX = 32,
    YAML_KEY_MAX = 128,
    YAML_STEP_MAX = YAML_KEY_MAX + 24, /* ".key", "[12]" */
    YAML_PATH_MAX = YAML_DEPTH_MAX * YAML_STEP_MAX,
};

/* A map or list that is open. */
typedef struct frame {
    json_t *container; /* owned by the one around it */
    bool is_map;
    bool has_key;      /* a map's next event is the value of key */
    char key[YAML_KEY_MAX + 1];
    size_t n;          /* a list's items so far */
    size_t path_len;   /* of the container's own path */
} frame;

typedef struct builder {
    tdm__str yaml;
    const char *file;
    tdm_error *err;
    const char *wanted; /* path whose line is looked for, or NULL */
    size_t line_found;
    json_t *root;
    frame frames[YAML_DEPTH_MAX];
    size_t depth;
    char path[YAML_PATH_MAX + 1]; /* of what was read last */
    size_t path_len;
} builder;

#define YAML_REFUSE(b, line, fmt, ...)                                                                                 \
    TDM_FAIL((b)->err, TDM_ERR_FORMAT, "%.100s:%zu: " fmt, (b)->file, (line), __VA_ARGS__)

static size_t line_of(const yaml_mark_t *mark) { return mark->line + 1; }

/* One more step behind the path of the container f (NULL: the document itself). */
static void path_step(builder *b, const frame *f, size_t line)
{
    size_t at = f ? f->path_len : 0;
    b->path[at] = '\0';
    if (f && f->is_map)
        snprintf(b->path + at, YAML_STEP_MAX, "%s%s", at > 0 ? "." : "", f->key);
    else if (f)
        snprintf(b->path + at, YAML_STEP_MAX, "[%zu]", f->n);
    b->path_len = at + strlen(b->path + at);
    if (b->wanted && b->line_found == 0 && strcmp(b->path, b->wanted) == 0)
        b->line_found = line;
}

/* The frame that the next event belongs to, NULL outside of all. */
static frame *frame_top(builder *b) { return b->depth > 0 ? &b->frames[b->depth - 1] : NULL; }

static tdm_status key_take(builder *b, frame *f, tdm__str text, size_t line)
{
    if (text.len == 0 || text.len > YAML_KEY_MAX)
        YAML_REFUSE(b, line, "a key has %zu bytes, 1 to %d are allowed", text.len, YAML_KEY_MAX);
    if (memchr(text.ptr, '\0', text.len))
        YAML_REFUSE(b, line, "a key has a character that is no text, at byte %zu", strlen(text.ptr));
    snprintf(f->key, sizeof f->key, "%.*s", (int)text.len, text.ptr);
    path_step(b, f, line);
    if (json_object_get(f->container, f->key))
        YAML_REFUSE(b, line, "'%s' stands here for the second time; the first is on line %zu", f->key,
                    tdm__yaml_line_of(b->yaml, b->path));
    f->has_key = true;
    return TDM_OK;
}

/* Puts a value where it belongs; takes it, also on failure. */
static tdm_status value_put(builder *b, json_t *value, size_t line)
{
    frame *f = frame_top(b);
    if (!value)
        TDM_FAIL(b->err, TDM_ERR_NOMEM, "%.100s:%zu: no memory", b->file, line);
    if (!f) {
        path_step(b, NULL, line);
        b->root = value;
        return TDM_OK;
    }
    int failed;
    if (f->is_map) {
        failed = json_object_set_new(f->container, f->key, value);
        f->has_key = false;
    } else {
        path_step(b, f, line);
        failed = json_array_append_new(f->container, value);
        f->n++;
    }
    if (failed)
        TDM_FAIL(b->err, TDM_ERR_NOMEM, "%.100s:%zu: no memory", b->file, line);
    return TDM_OK;
}

/* A plain scalar is what JSON says it is, else a text. */
static tdm_status plain_value(builder *b, tdm__str text, size_t line, json_t **out)
{
    const frame *f = frame_top(b);
    if (text.len == 0 && !f)
        YAML_REFUSE(b, line, "%s", "nothing is written here");
    if (text.len == 0)
        YAML_REFUSE(b, line, "%.*s has no value; write \"\", [], {} or null if that is meant",
                    f->is_map ? YAML_KEY_MAX : 9, f->is_map ? f->key : "this item");
    json_error_t why;
    *out = json_loadb(text.ptr, text.len, JSON_DECODE_ANY, &why);
    if (*out)
        return TDM_OK;
    if (json_error_code(&why) == json_error_numeric_overflow)
        YAML_REFUSE(b, line, "%.40s is beyond what a number of 64 bits holds", text.ptr);
    *out = json_stringn(text.ptr, text.len);
    return TDM_OK;
}

static tdm_status scalar_take(builder *b, const yaml_event_t *event)
{
    const size_t line = line_of(&event->start_mark);
    const tdm__str text = {(const char *)event->data.scalar.value, event->data.scalar.length};
    frame *f = frame_top(b);
    if (f && f->is_map && !f->has_key)
        return key_take(b, f, text, line);
    for (size_t i = 0; i < text.len; i++) {
        const unsigned char c = (unsigned char)text.ptr[i];
        if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7F)
            YAML_REFUSE(b, line, "a text has the control character 0x%02X", c);
    }
    json_t *value = NULL;
    if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
        TDM_TRY(plain_value(b, text, line, &value));
    else
        value = json_stringn(text.ptr, text.len);
    return value_put(b, value, line);
}

static tdm_status container_open(builder *b, bool is_map, size_t line)
{
    frame *around = frame_top(b);
    if (around && around->is_map && !around->has_key)
        YAML_REFUSE(b, line, "a %s cannot be a key", is_map ? "map" : "list");
    if (b->depth == YAML_DEPTH_MAX)
        YAML_REFUSE(b, line, "more than %d levels of nesting", YAML_DEPTH_MAX);
    json_t *container = is_map ? json_object() : json_array();
    TDM_TRY(value_put(b, container, line));
    b->frames[b->depth++] = (frame){.container = container, .is_map = is_map, .path_len = b->path_len};
    return TDM_OK;
}

/* What YAML has and we do not take: a way to write one thing that reads as another. */
static tdm_status refuse_extras(const builder *b, const yaml_event_t *event)
{
    const yaml_char_t *anchor = NULL, *tag = NULL;
    const size_t line = line_of(&event->start_mark);
    if (event->type == YAML_ALIAS_EVENT)
        YAML_REFUSE(b, line, "the alias *%.40s is not taken; write the value again",
                    (const char *)event->data.alias.anchor);
    if (event->type == YAML_DOCUMENT_START_EVENT &&
        (event->data.document_start.version_directive ||
         event->data.document_start.tag_directives.start != event->data.document_start.tag_directives.end))
        YAML_REFUSE(b, line, "%s", "directives (%YAML, %TAG) are not taken");
    if (event->type == YAML_DOCUMENT_START_EVENT && b->root)
        YAML_REFUSE(b, line, "%s", "a second document begins; one a file is taken");
    if (event->type == YAML_SCALAR_EVENT) {
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        anchor = event->data.sequence_start.anchor;
        tag = event->data.sequence_start.tag;
    } else if (event->type == YAML_MAPPING_START_EVENT) {
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
    }
    if (anchor)
        YAML_REFUSE(b, line, "the anchor &%.40s is not taken", (const char *)anchor);
    if (tag)
        YAML_REFUSE(b, line, "the tag %.40s is not taken", (const char *)tag);
    return TDM_OK;
}

static tdm_status event_take(builder *b, const yaml_event_t *event)
{
    TDM_TRY(refuse_extras(b, event));
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return scalar_take(b, event);
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        return container_open(b, event->type == YAML_MAPPING_START_EVENT, line_of(&event->start_mark));
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        b->depth--;
        return TDM_OK;
    case YAML_STREAM_END_EVENT:
        if (!b->root)
            YAML_REFUSE(b, line_of(&event->start_mark), "%s", "nothing is written here");
        return TDM_OK;
    default:
        return TDM_OK;
    }
}

/* libyaml's own refusal. Its reader of bytes knows an offset only. */
static tdm_status parser_refusal(const builder *b, const yaml_parser_t *parser)
{
    size_t line = parser->problem_mark.line + 1;
    if (parser->error == YAML_MEMORY_ERROR)
        TDM_FAIL(b->err, TDM_ERR_NOMEM, "%.100s: no memory", b->file);
    if (parser->error == YAML_READER_ERROR) {
        line = 1;
        for (size_t i = 0; i < parser->problem_offset && i < b->yaml.len; i++)
            line += b->yaml.ptr[i] == '\n';
    }
    YAML_REFUSE(b, line, "%.100s%s%.100s", parser->problem ? parser->problem : "malformed",
                parser->context ? ", " : "", parser->context ? parser->context : "");
}

/* Reads until the end, an error, or the line that is wanted. */
static tdm_status events_read(builder *b, yaml_parser_t *parser)
{
    for (;;) {
        yaml_event_t event;
        if (!yaml_parser_parse(parser, &event))
            return parser_refusal(b, parser);
        const bool is_end = event.type == YAML_STREAM_END_EVENT;
        const tdm_status status = event_take(b, &event);
        yaml_event_delete(&event);
        if (status < 0 || is_end || b->line_found > 0)
            return status;
    }
}

static tdm_status document_read(builder *b)
{
    yaml_parser_t parser;
    if (b->yaml.len > YAML_BYTES_MAX)
        TDM_FAIL(b->err, TDM_ERR_LIMIT, "%.100s: %zu bytes, %d are the most", b->file, b->yaml.len, YAML_BYTES_MAX);
    if (!yaml_parser_initialize(&parser))
        TDM_FAIL(b->err, TDM_ERR_NOMEM, "%.100s: no memory", b->file);
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING); /* never guessed */
    const unsigned char *bytes = (const unsigned char *)(b->yaml.ptr ? b->yaml.ptr : "");
    yaml_parser_set_input_string(&parser, bytes, b->yaml.len);
    const tdm_status status = events_read(b, &parser);
    yaml_parser_delete(&parser);
    return status;
}

tdm_status tdm__yaml_to_json(tdm__str yaml, const char *file, json_t **out, tdm_error *err)
{
    builder b = {.yaml = yaml, .file = file, .err = err};
    const tdm_status status = document_read(&b);
    if (status < 0)
        json_decref(b.root);
    else
        *out = b.root;
    return status;
}

size_t tdm__yaml_line_of(tdm__str yaml, const char *path)
{
    builder b = {.yaml = yaml, .file = "", .wanted = path};
    (void)document_read(&b);
    json_decref(b.root);
    return b.line_found;
}
