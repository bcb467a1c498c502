// Short messages about what has just happened.
import { defineStore } from 'pinia'
import { ref } from 'vue'

import { NETWORK, Problem } from '../api/problem'
import { t } from '../i18n'

/** So many messages are on the screen at most; the oldest makes room. */
export const MAX_TOASTS = 3
/** In milliseconds. A message with a button stays longer. */
const DURATION = 6000
const DURATION_WITH_ACTION = 12_000

/** A button of a message. */
export interface ToastAction {
  label: string
  run: () => void
}

export interface Toast {
  id: number
  kind: 'success' | 'problem'
  text: string
  action?: ToastAction
  /** Also shown on the next page. */
  isLasting: boolean
  /** In milliseconds. */
  remaining: number
}

type ToastOptions = Partial<Pick<Toast, 'action' | 'isLasting'>>

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

  /** An equal message is not shown twice: the new one takes the place of the old one. */
  function show(kind: Toast['kind'], text: string, { action, isLasting = false }: ToastOptions = {}): number {
    const id = ++last
    const remaining = action ? DURATION_WITH_ACTION : DURATION
    const others = toasts.value.filter((toast) => toast.kind !== kind || toast.text !== text)
    toasts.value = [...others, { id, kind, text, action, isLasting, remaining }].slice(-MAX_TOASTS)
    return id
  }

  function remove(id: number): void {
    toasts.value = toasts.value.filter((toast) => toast.id !== id)
  }

  /** Takes away the messages whose time is over. */
  function elapse(milliseconds: number): void {
    for (const toast of toasts.value) toast.remaining -= milliseconds
    toasts.value = toasts.value.filter((toast) => toast.remaining > 0)
  }

  /** Takes away what belongs to the page that is being left. */
  function leavePage(): void {
    toasts.value = toasts.value.filter((toast) => toast.isLasting)
  }

  return {
    toasts,
    remove,
    elapse,
    leavePage,
    success: (text: string, options?: ToastOptions) => show('success', text, options),
    /** Why something did not work. It may be the reason for the next page, so it stays. */
    failure: (text: string) => show('problem', text, { isLasting: true }),
    problem: (error: unknown, action?: ToastAction) => {
      // The end of a session leads to the sign-in, which says it all.
      if (error instanceof Problem && error.status === 401) return null
      return show('problem', problemText(error), { action, isLasting: !action })
    },
  }
})
