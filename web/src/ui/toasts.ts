// Short messages about what has just happened.
import { defineStore } from 'pinia'
import { ref } from 'vue'

import { NETWORK, Problem } from '../api/problem'
import { t } from '../i18n'

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
  /** The message on the screen. A further one takes its place. */
  const toast = ref<Toast | null>(null)
  let lastId = 0

  function show(kind: Toast['kind'], text: string, { action, isLasting = false }: ToastOptions = {}): number {
    const id = ++lastId
    toast.value = { id, kind, text, action, isLasting, remaining: action ? DURATION_WITH_ACTION : DURATION }
    return id
  }

  function remove(id: number): void {
    if (toast.value?.id === id) toast.value = null
  }

  /** Lets time pass and removes the message when its time is over. */
  function elapse(milliseconds: number): void {
    if (!toast.value) return
    toast.value.remaining -= milliseconds
    if (toast.value.remaining <= 0) toast.value = null
  }

  /** Removes the message if it belongs to the page being left. */
  function leavePage(): void {
    if (!toast.value?.isLasting) toast.value = null
  }

  return {
    toast,
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
