/* fuzz_template.c - chat templates of any bytes over fixed values, and fixed templates over any JSON.
 *
 * An input that begins with { is the values of templates that use every filter and method family on whatever they
 * find; every other input is a template. What renders must be UTF-8, with a mark of 0 or 1 for each byte.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "fuzz.h"
#include "text/template.h"

static const char fixed_values[] =
    "{\"messages\":[{\"role\":\"system\",\"content\":\"Be kind.\"},{\"role\":\"user\",\"content\":\" <|im_end|> "
    "\\u00e4\\u4f60\\ud83d\\ude42\\n\"},{\"role\":\"assistant\",\"content\":null,"
    "\"tool_calls\":[{\"function\":{\"name\":"
    "\"f\",\"arguments\":{\"a\":[1,2.5,true,null]}}}]}],"
    "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}],"
    "\"n\":7,\"f\":-2.5,\"s\":\"a,b c\",\"l\":[3,1,2],\"d\":{\"b\":1,\"a\":{\"c\":[]}},\"none\":null}";

static const char *const fixed_templates[] = {
    "{{ bos_token }}{% for m in messages %}{{ '<|' ~ m.role ~ '|>' }}{{ m['content'] | trim }}{{ eos_token "
    "}}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}",
    "{% macro p(v) %}{% if v is mapping %}{% for k, w in v | dictsort %}{{ k }}:{{ p(w) }}{% endfor %}{% elif v "
    "is string "
    "%}{{ v | upper }}{{ v[::-1] }}{{ v.split() }}{% elif v is iterable %}{% for w in v %}{{ p(w) }}{% endfor "
    "%}{% else "
    "%}{{ v }}{% endif %}{% endmacro %}{% for m in messages %}{{ p(m) }}{% endfor %}{{ p(tools) }}",
    "{{ messages | tojson(indent=2, sort_keys=true) }}{{ tools }}{{ s | indent }}{{ s | title }}{{ "
    "s.rsplit(',', 1) }}",
    "{{ messages | map(attribute='content') | select('string') | map('trim') | join('|') }}{{ l | sort | list "
    "}}{{ l | "
    "unique | list }}{{ l | min }}{{ l | batch(2) | list }}",
    "{{ '%s %r %5s' | format(s, l, n) }}{{ '{} {!r} {:>9}'.format(n, d, s) }}{{ n ~ f ~ l }}{{ n + f * 2 - n // 3 }}",
    "{{ s | replace(' ', s) }}{{ s.partition(',') }}{{ s | int }}{{ s | float }}{{ s in d }}{{ d == d }}{{ l < "
    "l }}{{ s[n:] "
    "}}{{ d[s] }}{{ s | e }}{{ (s | safe) + s }}{{ l[f] }}",
};

static void render(tdm__str source, json_t *values)
{
    tdm__template *t;
    tdm__rendered r;
    tdm_error err = {0};
    tdm__template_input in = {
        .values = values, .bos_token = TDM_STR("<s>"), .eos_token = TDM_STR("</s>"), .now_unix_s = 1700000000};
    if (tdm__template_create(source, &t, &err) != TDM_OK)
        return;
    if (tdm__template_render(t, &in, &r, &err) == TDM_OK) {
        json_t *utf8 = json_stringn(r.text, r.len);
        if (!utf8 || r.text[r.len] != '\0')
            abort();
        for (size_t i = 0; i < r.len; i++)
            if (r.trusted[i] > 1)
                abort();
        json_decref(utf8);
        tdm__rendered_fini(&r);
    } else if (strncmp(err.msg, "chat template", 13) != 0) {
        abort();
    }
    tdm__template_destroy(t);
}

int tdm_fuzz_one(const uint8_t *data, size_t len)
{
    const char *bytes = (const char *)data;
    bool is_json = len > 0 && bytes[0] == '{' && (len == 1 || (bytes[1] != '{' && bytes[1] != '%' && bytes[1] != '#'));
    json_t *values = is_json ? json_loadb(bytes, len, JSON_ALLOW_NUL, NULL) : json_loads(fixed_values, 0, NULL);
    if (!values)
        return 0;
    if (is_json)
        for (size_t i = 0; i < sizeof fixed_templates / sizeof fixed_templates[0]; i++)
            render(tdm__str_from(fixed_templates[i]), values);
    else
        render((tdm__str){bytes, len}, values);
    json_decref(values);
    return 0;
}
