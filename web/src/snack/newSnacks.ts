import type { Snack } from '../api/types'

/** In milliseconds. */
const WEEK = 7 * 24 * 60 * 60 * 1000

export function isNew(snack: Snack, now: number): boolean {
  return now - Date.parse(snack.created_at) < WEEK
}
