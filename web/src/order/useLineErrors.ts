import { shallowRef } from 'vue'

import { Problem, type FieldProblem } from '../api/problem'
import type { Line } from './lines'

/** The reason why a line cannot be ordered. */
export interface LineError {
  message: string
  /** The open order that has the snack. */
  order?: FieldProblem['order']
  /** The order is the user's own. */
  isMine?: boolean
}

export type LineErrors = ReadonlyMap<string, LineError>

/** The errors by the position of their line: `snacks[2].uid` and `snacks[2].quantity` name the third one. */
export function lineErrorsOf(error: unknown): Map<number, LineError> {
  const found = new Map<number, LineError>()
  if (!(error instanceof Problem)) return found
  for (const { field, message, order } of error.errors) {
    const position = /^snacks\[(\d+)\]/.exec(field)?.[1]
    if (position !== undefined && !found.has(Number(position))) found.set(Number(position), { message, order })
  }
  return found
}

/** The errors by the uid of the line's snack, since positions change when lines are removed. */
export function useLineErrors() {
  const lineErrors = shallowRef<LineErrors>(new Map())

  /** Shows the server's errors. */
  function setFrom(sent: readonly Line[], error: unknown): void {
    lineErrors.value = new Map()
    add(
      [...lineErrorsOf(error)].flatMap(([position, found]) => {
        const uid = sent[position]?.uid
        return uid ? [[uid, found]] : []
      }),
    )
  }

  /** Shows further errors. They replace those of the same lines. */
  function add(errors: [uid: string, error: LineError][]): void {
    lineErrors.value = new Map([...lineErrors.value, ...errors])
  }

  /** Removes the error of a line that was changed or removed. */
  function clear(uid: string): void {
    lineErrors.value = new Map([...lineErrors.value].filter(([other]) => other !== uid))
  }

  return { lineErrors, setFrom, add, clear }
}
