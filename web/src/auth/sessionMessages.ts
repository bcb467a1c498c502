// The messages of the sessions, which only the profile needs.
import { addMessages } from '../i18n'
import en from '../i18n/sessions.en.json'
import ko from '../i18n/sessions.ko.json'

addMessages({ ko, en })
