// The signed-in user.
import { defineStore } from 'pinia'
import { computed, ref } from 'vue'

import { api, dataOf, onSessionEnd, publicApi, tokens } from '../api/client'
import { STORAGE_KEY } from '../api/storageKey'
import type { Tokens, User } from '../api/types'

/** The last known profile, so that the menu is right before the first response. */
const USER_KEY = 'snack.user'

function storedUser(): User | null {
  try {
    const user: User | null = JSON.parse(localStorage.getItem(USER_KEY) ?? 'null')
    return user?.id === tokens.userId ? user : null
  } catch {
    return null
  }
}

export const useSession = defineStore('session', () => {
  const userId = ref(tokens.userId)
  const user = ref(storedUser())
  /** The reason for the end of the last session. */
  const endReason = ref<'signed-out' | 'expired' | null>(null)

  const isSignedIn = computed(() => userId.value !== null)
  const isAdmin = computed(() => user.value?.member_type === 'admin')

  function setUser(value: User | null): void {
    user.value = value
    if (value) localStorage.setItem(USER_KEY, JSON.stringify(value))
    else localStorage.removeItem(USER_KEY)
  }

  /** Loads the profile, since names and roles change. */
  async function loadUser(): Promise<User> {
    const profile = await dataOf(api.GET('/auth/users/profile'))
    setUser(profile)
    return profile
  }

  async function signIn(email: string, password: string): Promise<void> {
    await start(await dataOf(publicApi.POST('/auth/token', { body: { username: email, password } })))
  }

  /** Starts a session with a new token pair. */
  async function start(pair: Tokens): Promise<void> {
    tokens.write(pair)
    syncWithTokens()
    await loadUser()
  }

  /** Signs out in this browser and, if it can be reached, on the server. */
  async function signOut(): Promise<void> {
    const refresh = end()
    if (refresh) await publicApi.POST('/auth/logout', { body: { refresh } }).catch(() => undefined)
  }

  /** Ends the session in this browser. Returns its refresh token. */
  function end(): string | null {
    endReason.value = 'signed-out'
    const refresh = tokens.clear()
    syncWithTokens()
    return refresh
  }

  function syncWithTokens(): void {
    const now = tokens.userId
    if (now === userId.value) return
    userId.value = now
    if (now !== null) endReason.value = null
    // The next user must not see data of the former one.
    setUser(null)
  }

  onSessionEnd(() => {
    endReason.value = 'expired'
    syncWithTokens()
  })
  // Another tab has signed in or out or renewed the tokens. The key is null if the whole storage was cleared.
  window.addEventListener('storage', (event) => {
    if (event.key !== STORAGE_KEY && event.key !== null) return
    syncWithTokens()
    if (isSignedIn.value && !user.value) loadUser().catch(() => undefined)
  })
  // The role may have changed while the tab was hidden.
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible' && isSignedIn.value) loadUser().catch(() => undefined)
  })

  return { user, userId, endReason, isSignedIn, isAdmin, loadUser, setUser, signIn, start, signOut, end }
})
