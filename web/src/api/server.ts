// The address of the server. A proxy may serve it below a path.

/** The path in front of those of the server: `/snack`, or empty. The server writes it into the page. */
export const PREFIX = document.documentElement.dataset.prefix ?? ''

/** Without a slash at the end. */
export const SERVER_URL = `${location.origin}${PREFIX}`
