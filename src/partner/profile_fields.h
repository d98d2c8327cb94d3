/* profile_fields.h - the members of a partner profile, as a table. */
#ifndef TDM_PARTNER_PROFILE_FIELDS_H
#define TDM_PARTNER_PROFILE_FIELDS_H

#include "policy/fields.h"

/* Into a tdm__partner_profile. */
extern const tdm__field tdm__partner_profile_fields[];

#endif
