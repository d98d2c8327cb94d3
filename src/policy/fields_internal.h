/* fields_internal.h - what the two halves of the table-driven reader share. */
#ifndef TDM_POLICY_FIELDS_INTERNAL_H
#define TDM_POLICY_FIELDS_INTERNAL_H

#include "base/nearest.h"
#include "policy/fields.h"

/* Puts the value of one member into the struct at base. */
tdm_status tdm__fields_take(tdm__fields *f, const json_t *v, const tdm__field *field, void *base);

/* "WANTED is needed, a string stands here" */
tdm_status tdm__fields_refuse_kind(tdm__fields *f, const char *key, const char *wanted, const json_t *v);

/* "'x' is not known", with the name that was probably meant. */
tdm_status tdm__fields_refuse_name(tdm__fields *f, const char *key, const char *name, const tdm__nearest *near);

#endif
