/* market_internal.h - the members of a market policy, shared by its reader and its compiler. */
#ifndef TDM_POLICY_MARKET_INTERNAL_H
#define TDM_POLICY_MARKET_INTERNAL_H

#include "policy/fields.h"
#include "policy/market.h"

enum { TDM__MARKET_BYTES_MAX = 1 << 20, TDM__MARKET_PARTNERS_MAX = 256, TDM__MARKET_FEATURES_MAX = 256 };

extern const tdm__field tdm__market_fields[];
extern const tdm__field tdm__market_partner_fields[];
extern const tdm__field tdm__market_cell_fields[];
extern const tdm__field tdm__market_backend_fields[];

/* Reads the JSON form. With f->yaml the sentences have the lines of what people wrote. The policy owns what it points
 * to; its sha256 is left empty. */
tdm_status tdm__market_policy_read(tdm__fields *f, const json_t *object, tdm__market_policy **out);

#endif
