import { computed, toValue, type MaybeRefOrGetter } from 'vue'

import type { Snack } from '../api/types'
import { useSession } from '../session/session'

/** True for admins and for the user who has registered the snack. */
export function useMayEdit(snack: MaybeRefOrGetter<Snack | undefined>) {
  const session = useSession()
  return computed(() => session.isAdmin || toValue(snack)?.registered_by?.id === session.user?.id)
}
