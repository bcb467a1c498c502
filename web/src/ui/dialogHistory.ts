// Back closes a dialog, as in an app of a phone. An open dialog has an entry in the history of the browser, above that of its page
// and with the same address. The entry goes when the dialog is closed in another way, so that no entry leads nowhere.
import { onScopeDispose, watch, type Ref } from 'vue'
import { START_LOCATION, type RouteLocationNormalized, type Router } from 'vue-router'

/** In milliseconds. A browser that ignores a step must not block the app. */
const PATIENCE = 1000

interface Dialog {
  /** Closes the dialog unless it has to ask first. Returns true if it is closed. */
  close: () => boolean
}

/** The open dialogs, the topmost last. */
let dialogs: Dialog[] = []
/** The number of entries of dialogs at the present position. */
let depth = 0
let router: Router | undefined
/** The page that is about to be shown. Dialogs of the present page have no entries then. */
let next: RouteLocationNormalized | null = null
/** The address of the entries. */
let address = ''
/** Called at the end of a step of this module. */
let onStep: (() => void) | null = null
let syncing = Promise.resolve()

const depthOf = (state: unknown): number => (state as { dialog?: number } | null)?.dialog ?? 0

/** Goes through the history without a navigation, because the address stays the same. */
function step(delta: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, PATIENCE)
    onStep = () => {
      clearTimeout(timer)
      // The router has to follow the step first.
      setTimeout(resolve)
    }
    router!.options.history.go(delta, false)
  })
}

/** Adds or removes entries until there is one for each open dialog. One call after the other. */
function sync(): Promise<void> {
  syncing = syncing.then(async () => {
    const target = next ? 0 : dialogs.length
    if (!router || target === depth) return
    const { history } = router.options
    if (target < depth) await step(target - depth)
    else for (let added = depth; added < target; added += 1) history.push(history.location, { dialog: added + 1 })
    address = window.location.href
    depth = target
  })
  return syncing
}

/** The user has gone back or forward. */
function onPopState({ state }: PopStateEvent): void {
  if (onStep) {
    onStep()
    onStep = null
    return
  }
  const before = depth
  depth = depthOf(state)
  // The router leaves the page.
  if (before > 0 && window.location.href !== address) return
  for (const dialog of dialogs.slice(depth).reverse()) {
    if (dialog.close()) {
      dialogs = dialogs.filter((other) => other !== dialog)
      continue
    }
    // The dialog stays, and so does its entry.
    const back = dialogs.length - depth
    syncing = syncing.then(() => step(back)).then(() => void (depth += back))
    break
  }
  void sync()
}

/** Connects the dialogs with the router. */
export function installDialogHistory(installed: Router): void {
  router = installed
  // The page was loaded again while a dialog was open.
  depth = depthOf(window.history.state)
  // Before the router, whose guards look at the dialogs.
  window.addEventListener('popstate', onPopState, { capture: true })
  router.beforeEach(async (to, from) => {
    if (to.fullPath === from.fullPath && from !== START_LOCATION) return
    next = to
    await sync()
  })
  const onEnd = (to: RouteLocationNormalized): void => {
    if (next !== to) return
    next = null
    void sync()
  }
  router.afterEach(onEnd)
  router.onError((_error, to) => onEnd(to))
}

/** Lets Back close a dialog. `close` returns false if the dialog has to ask first. */
export function useDialogHistory(open: Readonly<Ref<boolean>>, close: () => boolean): void {
  const dialog: Dialog = { close }
  const remove = (): void => {
    dialogs = dialogs.filter((other) => other !== dialog)
  }
  watch(
    open,
    (isOpen) => {
      remove()
      if (isOpen) dialogs.push(dialog)
      void sync()
    },
    { immediate: true },
  )
  onScopeDispose(() => {
    remove()
    void sync()
  })
}
