/* fault_journey.c - the journey once, and what came of it as JSON: fault_journey MODEL STATE-FOLDER
 *
 * Exit 1: something was wrong. What fails meanwhile is the business of who started it (fault_shim.c).
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "journey.h"

int main(int argc, char **argv)
{
    static journey j;
    if (argc != 3) {
        fprintf(stderr, "usage: fault_journey MODEL STATE-FOLDER\n");
        return 2;
    }
    j.model = argv[1];
    j.state_dir = argv[2];
    journey_run(&j);
    char *text = NULL;
    for (int i = 0; !text && i < 2; i++) { /* what fails once may be this */
        json_t *o = json_pack("{s:s, s:s, s:s, s:s}", "failures", j.failures, "first_failure", j.first_failure,
                              "wrong", j.wrong, "answer", j.answer);
        text = json_dumps(o, JSON_COMPACT);
        json_decref(o);
    }
    if (!text || puts(text) == EOF)
        return 3;
    free(text);
    return j.wrong[0] != '\0';
}
