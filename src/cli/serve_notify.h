/* Tells systemd about our state: one datagram to $NOTIFY_SOCKET (sd_notify(3)), without its library. Private to cli/.
 */
#ifndef SLUICE_CLI_SERVE_NOTIFY_H
#define SLUICE_CLI_SERVE_NOTIFY_H

/* state: "READY=1", "STOPPING=1". Nothing happens without $NOTIFY_SOCKET. */
void notify_systemd(const char *state);

#endif
