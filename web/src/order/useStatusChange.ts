import { computed, ref, watch } from 'vue'

import { Problem } from '../api/problem'
import type { Currency, Money, Order, OrderStatus } from '../api/types'
import { excessOf } from '../budget/fit'
import { t } from '../i18n'
import { fromLocalInput, toLocalInput } from '../time'
import { problemText } from '../ui/toasts'
import { changeStatus, correctArrival, refreshOrder } from './orders'
import { nextStatus, needsArrivalTime, rejectedSnacks } from './status'

/** A press so soon after another step has taken the place of a button was meant for that one. In milliseconds. */
const TOO_SOON = 800

/** The message for a failed change of the status. Names the snacks that it was rejected for. */
export function rejection(order: Order, error: unknown): string | null {
  if (!(error instanceof Problem)) return null
  const names = rejectedSnacks(order, error)
  return names.length > 0 ? `${error.detail} ${names.join(', ')}` : null
}

/** The amounts beyond the budget, from the error of the server. */
function serverExcess(problem: Problem): Money[] {
  return problem.errors.flatMap(({ currency, limit, committed, amount }) => {
    if (!currency || !limit || !committed || !amount) return []
    const asked = { currency: currency as Currency, amount }
    return excessOf([asked], [{ ...asked, amount: limit, committed }])
  })
}

/** The result of a change. */
export interface Outcome {
  isDone: boolean
  text: string
}

interface Options {
  /** Called with the order before each change, and with the present one after it. */
  onChange: (order: Order) => void
  report: (outcome: Outcome) => void
}

/** The steps of an admin with one order. */
export function useStatusChange(getOrder: () => Order, { onChange, report }: Options) {
  const isBusy = ref(false)
  /** The excess with which the server has refused the approval. */
  const excess = ref<Money[]>([])
  /** The value of the arrival field. */
  const arrivalText = ref('')
  const isArrivalMissing = ref(false)
  /** The version of the order after the user's own last change. */
  let ownVersion = ''
  /** The time at which another step has taken the place of the one that the user may be about to press. */
  let replacedAt = -Infinity

  const next = computed(() => nextStatus(getOrder()))
  const expected = computed(() => {
    const { estimated_arrival_time: time } = getOrder()
    return time ? toLocalInput(time) : ''
  })
  const isArrivalChanged = computed(() => arrivalText.value !== expected.value)

  watch(
    expected,
    (value, before = '') => {
      // A time that the user has typed stays.
      if (arrivalText.value === before) arrivalText.value = value
    },
    { immediate: true },
  )
  watch(arrivalText, () => (isArrivalMissing.value = false))
  watch(
    () => getOrder().updated_at,
    () => (excess.value = []),
  )
  // Somebody else has changed the order.
  watch(
    () => [getOrder().updated_at, next.value] as const,
    ([version, to], [, before]) => {
      if (isBusy.value || version === ownVersion) return
      if (to !== before) replacedAt = performance.now()
      if (isArrivalChanged.value && before && needsArrivalTime(before)) reportChange()
    },
  )

  function reportChange(): void {
    report({ isDone: false, text: t('order.changed') })
  }

  /** Runs a change. After an error the present order is shown. True if it has succeeded. */
  async function run(change: (order: Order) => Promise<Order>, success: string): Promise<boolean> {
    // A disabled button would lose the focus, so a second press is ignored instead.
    if (isBusy.value) return false
    const order = getOrder()
    isBusy.value = true
    onChange(order)
    try {
      const changed = await change(order)
      ownVersion = changed.updated_at
      onChange(changed)
      report({ isDone: true, text: success })
      return true
    } catch (error) {
      if (error instanceof Problem && error.code === 'budget_exceeded') {
        excess.value = serverExcess(error)
        return false
      }
      // The end of a session leads to the sign-in page, which has a message of its own.
      const isSignedOut = error instanceof Problem && error.status === 401
      if (!isSignedOut) report({ isDone: false, text: rejection(order, error) ?? problemText(error) })
      const present = await refreshOrder(order.uid).catch(() => null)
      if (present) {
        ownVersion = present.order.updated_at
        onChange(present.order)
      }
      return false
    } finally {
      isBusy.value = false
    }
  }

  /** The arrival time to send with a status. Null if it is missing. */
  function arrivalFor(status: OrderStatus): string | null | undefined {
    if (!needsArrivalTime(status)) return undefined
    const arrival = fromLocalInput(arrivalText.value)
    isArrivalMissing.value = arrival === null
    return arrival
  }

  /** The next step. False if it has failed or the arrival time is missing. */
  async function advance({ isOverBudget = false } = {}): Promise<boolean> {
    const to = next.value
    if (!to) return false
    if (performance.now() - replacedAt < TOO_SOON) {
      reportChange()
      return false
    }
    const arrival = arrivalFor(to)
    if (arrival === null) return false
    return run((order) => changeStatus(order, to, { arrival, isOverBudget }), t(`status.moved.${to}`))
  }

  /** Corrects the arrival time without a change of the status. */
  async function correct(reason: string): Promise<boolean> {
    const arrival = arrivalFor('ordered')
    if (!arrival) return false
    return run((order) => correctArrival(order, arrival, reason), t('status.arrivalSaved'))
  }

  return { isBusy, excess, arrivalText, isArrivalMissing, isArrivalChanged, next, advance, correct }
}
