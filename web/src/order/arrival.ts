// The expected arrival of an order.
import { fromLocalInput, today } from '../time'

/** The time of day for a day that is chosen with one press. */
const NOON = 'T12:00'
const FRIDAY = 5
const DAY = 86_400_000

export interface ArrivalChoice {
  name: 'tomorrow' | 'dayAfter' | 'friday' | 'nextFriday'
  /** `2026-11-27`. */
  day: string
  /** The value of `<input type="datetime-local">`. */
  value: string
}

/** The days that can be chosen with one press: the next two, and the first Friday after them. */
export function arrivalChoices(now: string = today()): ArrivalChoice[] {
  const start = Date.parse(now)
  const weekday = new Date(start).getUTCDay()
  const toFriday = 3 + ((FRIDAY - weekday - 3 + 14) % 7)
  const after = (name: ArrivalChoice['name'], days: number): ArrivalChoice => {
    const day = new Date(start + days * DAY).toISOString().slice(0, 10)
    return { name, day, value: day + NOON }
  }
  return [after('tomorrow', 1), after('dayAfter', 2), after(toFriday < 7 ? 'friday' : 'nextFriday', toFriday)]
}

/** True for a time before `now`. The server takes it all the same. */
export function isPast(text: string, now = new Date()): boolean {
  const instant = fromLocalInput(text)
  return instant !== null && Date.parse(instant) < now.getTime()
}
