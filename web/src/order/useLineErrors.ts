import { shallowRef } from 'vue'

import { Problem } from '../api/problem'
import type { Line } from './lines'

/** The messages by the position of their line: `snacks[2].uid` and `snacks[2].quantity` name the third one. */
export function lineMessages(error: unknown): Map<number, string> {
  const messages = new Map<number, string>()
  if (!(error instanceof Problem)) return messages
  for (const { field, message } of error.errors) {
    const position = /^snacks\[(\d+)\]/.exec(field)?.[1]
    if (position !== undefined && !messages.has(Number(position))) messages.set(Number(position), message)
  }
  return messages
}

/** The server's errors by the uid of the line's snack, since positions change when lines are removed. */
export function useLineErrors() {
  const lineErrors = shallowRef<ReadonlyMap<string, string>>(new Map())

  function setFrom(sent: readonly Line[], error: unknown): void {
    const messages = [...lineMessages(error)]
    lineErrors.value = new Map(
      messages.flatMap(([position, message]) => {
        const uid = sent[position]?.uid
        return uid ? [[uid, message] as const] : []
      }),
    )
  }

  /** Removes the error of a line that was changed or removed. */
  function clear(uid: string): void {
    lineErrors.value = new Map([...lineErrors.value].filter(([other]) => other !== uid))
  }

  return { lineErrors, setFrom, clear }
}
