// Short messages about what has just happened.
import { defineStore } from 'pinia'
import { ref } from 'vue'

import { NETWORK, Problem } from '../api/problem'
import { t } from '../i18n'

/** The number of messages on the screen. A further one replaces the oldest. */
export const MAX_TOASTS = 3
/** In milliseconds. A message with a button stays longer. */
const DURATION = 6000
const DURATION_WITH_ACTION = 12_000

/** The button of a message. */
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

/** The text for an error: the server's, if there is one. */
export function problemText(error: unknown): string {
  if (error instanceof Problem) {
    if (error.detail) return error.detail
    if (error.code === NETWORK) return t('problem.network')
  }
  return t('problem.unknown')
}

export const useToasts = defineStore('toasts', () => {
  const toasts = ref<Toast[]>([])
  let lastId = 0

  /** Shows a message. It replaces an equal one. */
  function show(kind: Toast['kind'], text: string, { action, isLasting = false }: ToastOptions = {}): number {
    const id = ++lastId
    const remaining = action ? DURATION_WITH_ACTION : DURATION
    const others = toasts.value.filter((toast) => toast.kind !== kind || toast.text !== text)
    toasts.value = [...others, { id, kind, text, action, isLasting, remaining }].slice(-MAX_TOASTS)
    return id
  }

  function remove(id: number): void {
    toasts.value = toasts.value.filter((toast) => toast.id !== id)
  }

  /** Lets time pass and removes the messages whose time is over. */
  function elapse(milliseconds: number): void {
    for (const toast of toasts.value) toast.remaining -= milliseconds
    toasts.value = toasts.value.filter((toast) => toast.remaining > 0)
  }

  /** Removes the messages that belong to the page being left. */
  function leavePage(): void {
    toasts.value = toasts.value.filter((toast) => toast.isLasting)
  }

  return {
    toasts,
    remove,
    elapse,
    leavePage,
    success: (text: string, options?: ToastOptions) => show('success', text, options),
    /** Stays on the next page, because the failure may be the reason for the navigation. */
    failure: (text: string) => show('problem', text, { isLasting: true }),
    problem: (error: unknown, action?: ToastAction) => {
      // The end of a session leads to the sign-in page, which has a message of its own.
      if (error instanceof Problem && error.status === 401) return null
      return show('problem', problemText(error), { action, isLasting: !action })
    },
  }
})
