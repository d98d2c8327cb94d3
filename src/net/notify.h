/* notify.h - telling the service manager how we are (sd_notify's protocol: one datagram of NAME=VALUE lines to the
 * socket that NOTIFY_SOCKET names). Without that variable nothing happens. */
#ifndef TDM_NET_NOTIFY_H
#define TDM_NET_NOTIFY_H

/* Sends the lines; a manager that is gone is not our trouble. Any thread. */
void tdm__notify(const char *lines);

/* How often the manager wants WATCHDOG=1, in ms, if it is this process that it watches; 0: not at all. Half of what it
 * waits is given. */
int tdm__notify_watchdog_ms(void);

#endif
