/** What the chat page says about a failure, by its code: what has happened, and what a reader can do. */
export const problems = {
  no_worker: {
    what: 'No worker is running.',
    todo: 'Nobody can answer until one runs.',
  },
  model_not_served: {
    what: 'No running worker serves this model.',
    todo: 'Nobody can answer until one does.',
  },
  model_unavailable: {
    what: 'The model cannot be served.',
    todo: 'A worker serves only what it could check against the chain. Put right what it names, then start it again.',
  },
  coordinator_unavailable: {
    what: 'The coordinator is not running, so nobody hands questions to workers.',
    todo: 'Nobody can answer until it runs.',
  },
  no_model: {
    what: 'There is no model on the chain yet.',
    todo: 'Whoever runs this server imports one, or sets another name.',
  },
  no_chain: {
    what: 'The chain has no genesis block yet.',
    todo: 'The first start of the server makes it.',
  },
  model_not_found: {
    what: 'The chain does not have this model any more.',
    todo: 'Ask again: a model that is there will answer.',
  },
  model_not_chat: {
    what: 'This model cannot hold a conversation.',
    todo: 'Whoever runs this server chooses one with a chat template.',
  },
  model_gone: {
    what: 'The model that wrote this answer is not served any more.',
    todo: 'Nobody can go on with it. Ask the question again, for a new answer.',
  },
  nothing_to_continue: {
    what: 'This answer has nothing to go on with.',
    todo: 'Ask the question again, for a new answer.',
  },
  queue_full: {
    what: 'Too many questions wait for a worker already.',
    todo: 'The line gets shorter within seconds. Nothing was lost: ask again.',
  },
  rate_limit_exceeded: {
    what: 'You have asked for as much as this server allows in a minute.',
    todo: 'Nothing was lost: ask again when the time is over.',
  },
  deadline_exceeded: {
    what: 'The answer was not finished in the time that it may take.',
    todo: 'What was written stays. Ask again when less is going on, or for a shorter answer.',
  },
  attempts_exhausted: {
    what: 'Every worker that tried this answer broke down.',
    todo: 'Ask again. If it fails again, another wording may help.',
  },
  answer_corrupt: {
    what: 'What was stored of this answer contradicts itself.',
    todo: 'Ask again, for a new answer.',
  },
  answer_lost: {
    what: 'The answer ended, and its text was not kept.',
    todo: 'Ask again, for a new answer.',
  },
  answer_not_found: {
    what: 'The server does not have this answer any more.',
    todo: 'Ask again, for a new answer.',
  },
  answer_open: {
    what: 'The answer before is still being written.',
    todo: 'It was asked in another tab, perhaps. Wait for its end, or stop it; then ask again.',
  },
  context_length_exceeded: {
    what: 'The conversation and its next answer do not fit into what the model can read.',
    todo: 'Start a new one, edit an earlier question, or lower “Longest answer” under “Parameters”.',
  },
  out_of_range: {
    what: 'A parameter is outside of what is possible here.',
    todo: 'Change it, then ask again. The longest answer is what most often is too large.',
  },
  messages_refused: {
    what: 'The model’s template refuses this conversation.',
    todo: 'Change the system prompt, or start a new conversation.',
  },
  conversation_full: {
    what: 'This conversation has as many messages as one may have.',
    todo: 'Start a new one.',
  },
  too_many_conversations: {
    what: 'This browser has as many conversations as one may have.',
    todo: 'Delete some that you do not need, then ask again.',
  },
  conversation_not_found: {
    what: 'The server does not have this conversation any more.',
    todo: 'It was deleted, perhaps in another tab. Start a new one.',
  },
  redis_unavailable: {
    what: 'The queue cannot be reached right now.',
    todo: 'This is on the server’s side. Ask again in a moment.',
  },
  database_unavailable: {
    what: 'The database cannot be reached right now.',
    todo: 'This is on the server’s side. Ask again in a moment.',
  },
  shutting_down: {
    what: 'The server is restarting.',
    todo: 'Ask again in a moment.',
  },
  internal_error: {
    what: 'Something failed on the server; it was logged there.',
    todo: 'Ask again. If it fails again, whoever runs this server finds the cause in its log.',
  },
  foreign_origin: {
    what: 'The server takes this page for one of another site.',
    todo: 'Whoever runs it behind a proxy sets BLYAN_PUBLIC_URL to the address that you see.',
  },
  stopped_offline: {
    what: 'Stopped here, but the server could not be told.',
    todo: 'It may go on writing there: reload the page to see what came of it.',
  },
  no_answer: {
    what: 'The server does not answer.',
    todo: 'Look whether you are online, then try again.',
  },
  unknown: {
    what: 'The server answered in a way that this page does not understand.',
    todo: 'Reload the page: there may be a newer one.',
  },
};
