/** The place of the token pair in localStorage. */
export const STORAGE_KEY = 'snack.session'
