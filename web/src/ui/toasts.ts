// Short messages about what has just happened.
import { defineStore } from 'pinia'
import { ref } from 'vue'

import { NETWORK, Problem } from '../api/problem'
import { t } from '../i18n'

export interface Toast {
  id: number
  kind: 'success' | 'problem'
  text: string
}

/** A failure in words: the server's where it said something. */
export function problemText(error: unknown): string {
  if (error instanceof Problem) {
    if (error.code === 'last_admin') return `${error.detail} ${t('problem.lastAdmin')}`
    if (error.detail) return error.detail
    if (error.code === NETWORK) return t('problem.network')
  }
  return t('problem.unknown')
}

export const useToasts = defineStore('toasts', () => {
  const toasts = ref<Toast[]>([])
  let last = 0

  function show(kind: Toast['kind'], text: string): void {
    toasts.value.push({ id: ++last, kind, text })
  }

  function remove(id: number): void {
    toasts.value = toasts.value.filter((toast) => toast.id !== id)
  }

  return {
    toasts,
    remove,
    success: (text: string) => show('success', text),
    failure: (text: string) => show('problem', text),
    problem: (error: unknown) => {
      // The end of a session leads to the sign-in, which says it all.
      if (!(error instanceof Problem && error.status === 401)) show('problem', problemText(error))
    },
  }
})
