/** As in package.json; sent with the registration and every heartbeat. */
export const VERSION = '0.1.0';
