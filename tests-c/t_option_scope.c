/*
 * Which options belong to an endpoint as they were at its bind or connect, and which to the socket as it is now. Each
 * group is an option and a row of the table at the end; each cell of it is a socket and a peer of their own, in a
 * process of their own, all at once.
 */
#include "option_effects.h"

/* ---- the table --------------------------------------------------------------------------------------------------- */

/* 0 or 1: the effect; anything else: the cell went wrong. */
static int run_cell (cell_t *c, const row_t *row)
{
    int status;
    pid_t pid = fork ();
    CHECK (pid >= 0);
    if (pid == 0) {
        alarm_in (WATCHDOG - 5);
        /* `fail_at` ends with 1. */
        status = row->effect (c);
        _exit (status ? 11 : 10);
    }
    return pid;
}

static void run_row (const row_t *row)
{
    static const char *const sides[] = {"connect", "bind"}, *const moments[] = {"before it", "after it", "with the peer there"};
    cell_t cells[3 * 2 * MOMENTS];
    int pids[3 * 2 * MOMENTS], count = 0, wrong = 0;
    for (int t = 0; t < 3; t++)
        for (int side = 0; side < 2; side++)
            for (int m = 0; m < MOMENTS; m++) {
                char says = row->says[t][side][m];
                cell_t *c = &cells[count];
                if (says == '-')
                    continue;
                memset (c, 0, sizeof *c);
                c->transport = transports[t];
                c->binds = side == 0;
                c->moment = m;
                c->expected = says == '1';
                fflush (NULL);
                pids[count++] = run_cell (c, row);
            }
    for (int i = 0; i < count; i++) {
        int status;
        const cell_t *c = &cells[i];
        CHECK (waitpid (pids[i], &status, 0) == pids[i]);
        if (WIFEXITED (status) && WEXITSTATUS (status) == 10 + c->expected)
            continue;
        wrong++;
        fprintf (stderr, "    %s, %s, set %s: %s\n", c->transport, sides[c->binds], moments[c->moment],
                 !WIFEXITED (status) || WEXITSTATUS (status) < 10 ? "went wrong"
                 : c->expected                                    ? "takes no effect"
                                                                  : "takes effect");
    }
    IS (wrong, 0);
}

/* tcp, ipc, inproc; each bind, connect. */
#define ROW(name, ...) ROW_OF (name, name, __VA_ARGS__)
#define ROW_OF(name, effect, ...)                                                                                      \
    GROUP (name)                                                                                                       \
    {                                                                                                                  \
        static const row_t row = {effect, {__VA_ARGS__}};                                                              \
        run_row (&row);                                                                                                \
    }

/* An option of the endpoint: 100. Of the socket as it is now: 111. Of the pipes there are, as of those to come: 101. */
ROW (conflates, {"100", "100"}, {"100", "100"}, {"000", "100"})
ROW (conflates_outgoing, {"---", "---"}, {"---", "---"}, {"000", "100"})
ROW (names_itself, {"100", "100"}, {"100", "100"}, {"100", "100"})
/* The pipe of a connect is there at once; one within the process is made anew for who binds the name. */
ROW (holds_little_outgoing, {"101", "111"}, {"101", "111"}, {"101", "1-1"})
ROW (holds_little_incoming, {"101", "111"}, {"101", "111"}, {"10-", "1--"})
ROW_OF (holds_little_incoming_now, holds_little_incoming, {"---", "---"}, {"---", "---"}, {"--1", "--1"})
ROW (does_not_linger, {"---", "111"}, {"---", "111"}, {"---", "000"})
ROW (does_not_linger_at_disconnect, {"---", "111"}, {"---", "111"}, {"---", "000"})
ROW (waits_for_a_peer, {"---", "10-"}, {"---", "10-"}, {"---", "00-"})
ROW (refuses_long_ones, {"100", "100"}, {"100", "100"}, {"000", "000"})
ROW (does_not_reconnect, {"---", "100"}, {"---", "---"}, {"---", "---"})
ROW (hangs_up_on_the_silent, {"10-", "---"}, {"---", "---"}, {"---", "---"})
ROW (pings, {"100", "---"}, {"---", "---"}, {"---", "---"})
ROW (is_secured, {"10-", "10-"}, {"10-", "10-"}, {"00-", "00-"})
ROW (keeps_alive, {"100", "100"}, {"---", "---"}, {"---", "---"})
ROW (has_type_of_service, {"100", "100"}, {"---", "---"}, {"---", "---"})
ROW (has_small_buffer, {"100", "100"}, {"---", "---"}, {"---", "---"})
ROW (filters, {"10-", "---"}, {"---", "---"}, {"---", "---"})
ROW (goes_through_the_proxy, {"---", "10-"}, {"---", "---"}, {"---", "---"})
/* What is said to a new pipe. */
ROW (welcomes, {"110", "100"}, {"110", "100"}, {"110", "100"})
ROW (probes, {"110", "100"}, {"110", "100"}, {"110", "100"})
ROW (is_mandatory, {"111", "111"}, {"111", "111"}, {"111", "111"})
ROW (hands_over, {"111", "---"}, {"111", "---"}, {"111", "---"})
ROW (is_raw, {"10-", "---"}, {"---", "---"}, {"---", "---"})
ROW (does_not_note, {"10-", "---"}, {"---", "---"}, {"---", "---"})
ROW (does_not_drop, {"111", "111"}, {"111", "111"}, {"111", "111"})

MAIN (ENTRY (conflates), ENTRY (conflates_outgoing), ENTRY (names_itself), ENTRY (holds_little_outgoing),
      ENTRY (holds_little_incoming), ENTRY (holds_little_incoming_now), ENTRY (does_not_linger), ENTRY (does_not_linger_at_disconnect), ENTRY (waits_for_a_peer),
      ENTRY (refuses_long_ones), ENTRY (does_not_reconnect), ENTRY (hangs_up_on_the_silent), ENTRY (pings),
      ENTRY (is_secured), ENTRY (keeps_alive), ENTRY (has_type_of_service), ENTRY (has_small_buffer), ENTRY (filters),
      ENTRY (goes_through_the_proxy), ENTRY (welcomes), ENTRY (probes), ENTRY (is_mandatory), ENTRY (hands_over),
      ENTRY (is_raw), ENTRY (does_not_note), ENTRY (does_not_drop))
