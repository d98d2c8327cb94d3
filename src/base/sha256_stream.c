/* sha256_stream.c - over OpenSSL's EVP, whose calls cannot fail for a built-in digest once the memory is there. */
#include "base/sha256_stream.h"

#include <openssl/evp.h>

#include "base/error.h"

tdm_status tdm__sha256_begin(tdm__sha256_stream *s, tdm_error *err)
{
    s->context = EVP_MD_CTX_new();
    if (!s->context || EVP_DigestInit_ex(s->context, EVP_sha256(), NULL) != 1) {
        tdm__sha256_fini(s);
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a digest");
    }
    return TDM_OK;
}

void tdm__sha256_push(tdm__sha256_stream *s, const void *bytes, size_t n)
{
    if (n > 0)
        EVP_DigestUpdate(s->context, bytes, n);
}

void tdm__sha256_get(const tdm__sha256_stream *s, uint8_t out[TDM__SHA256_BYTES])
{
    EVP_MD_CTX *copy = EVP_MD_CTX_new();
    unsigned n = 0;
    if (!copy || EVP_MD_CTX_copy_ex(copy, s->context) != 1 || EVP_DigestFinal_ex(copy, out, &n) != 1)
        for (size_t i = 0; i < TDM__SHA256_BYTES; i++)
            out[i] = 0; /* commits to nothing: seen as such by whoever checks */
    EVP_MD_CTX_free(copy);
}

void tdm__sha256_fini(tdm__sha256_stream *s)
{
    if (s)
        EVP_MD_CTX_free(s->context);
    if (s)
        s->context = NULL;
}
