// Which of the lines that were sent the server refused. The lines may change afterwards, so they are kept by their snack.
import { shallowRef } from 'vue'

import { lineMessages } from '../api/problem'
import type { Line } from './lines'

export function useRefusals() {
  const refusals = shallowRef<ReadonlyMap<string, string>>(new Map())

  function mark(sent: readonly Line[], error: unknown): void {
    const messages = [...lineMessages(error)]
    refusals.value = new Map(
      messages.flatMap(([position, message]) => {
        const uid = sent[position]?.uid
        return uid ? [[uid, message] as const] : []
      }),
    )
  }

  /** A line that has been changed or taken out is no longer the one that was refused. */
  function forget(uid: string): void {
    refusals.value = new Map([...refusals.value].filter(([refused]) => refused !== uid))
  }

  return { refusals, mark, forget }
}
