/* kv.h - the keys and values of one sequence, in f16 or q8, all layers; sized and taken at create.
 *
 * It knows nothing of tokens: which positions are valid is its owner's business.
 */
#ifndef TDM_MODEL_KV_H
#define TDM_MODEL_KV_H

#include <stddef.h>

#include "kernel/attention.h"
#include "model/model.h"
#include "tandem/status.h"

typedef struct tdm__kv {
    tdm__kv_type type;
    tdm__kv_layer *layers; /* [n_layers] */
    size_t n_layers, n_kv_heads, head_dim;
    size_t capacity; /* positions, a multiple of TDM__KV_TILE */
    void *memory;
} tdm__kv;

/* "f16" or "q8"; 0, or -1 for what is neither. */
int tdm__kv_type_parse(const char *name, tdm__kv_type *out);

/* Bytes for n_ctx positions. */
size_t tdm__kv_bytes(const tdm__model *m, size_t n_ctx, tdm__kv_type type);

tdm_status tdm__kv_init(tdm__kv *kv, const tdm__model *m, size_t n_ctx, tdm__kv_type type, tdm_error *err);
void tdm__kv_fini(tdm__kv *kv);

/* What one head has in one layer: each part so many bytes a tile of positions, whole tiles without a gap. f16 has no
 * scales: their tiles take 0 bytes. */
typedef enum tdm__kv_part {
    TDM__KV_KEYS = 0,
    TDM__KV_VALUES,
    TDM__KV_KEY_SCALES,
    TDM__KV_VALUE_SCALES,
    TDM__KV_N_PARTS,
} tdm__kv_part;

/* Where `part` of positions first .. lies (never NULL), and in *tile_bytes what each tile of TDM__KV_TILE positions
 * takes from there on. first is a multiple of TDM__KV_TILE below the capacity. Caches of one model and type have the
 * same tiles, byte for byte, for the same tokens. */
unsigned char *tdm__kv_at(const tdm__kv *kv, size_t layer, size_t head, tdm__kv_part part, size_t first,
                          size_t *tile_bytes);

/* Positions begin .. end - 1 of one sequence's cache into another's of the same model and type, where `to` holds the
 * positions before them already and both sequences have the same tokens up to end. Whole tiles are copied: what `to`
 * holds behind end is not valid afterwards. begin <= end <= both capacities. */
void tdm__kv_copy(tdm__kv *to, const tdm__kv *from, size_t begin, size_t end);

#endif
