import type { Dictionary } from './en.ts';

export const problems: Dictionary['problem']['codes'] = {
  no_worker: {
    what: '실행 중인 워커가 없습니다.',
    todo: '워커가 실행되어야 답변할 수 있습니다.',
  },
  model_not_served: {
    what: '이 모델을 제공하는 워커가 없습니다.',
    todo: '이 모델을 제공하는 워커가 있어야 답변할 수 있습니다.',
  },
  model_unavailable: {
    what: '모델을 제공할 수 없습니다.',
    todo: '워커는 체인과 대조해 확인한 것만 제공합니다. 표시된 문제를 고친 뒤 워커를 다시 시작하세요.',
  },
  coordinator_unavailable: {
    what: '코디네이터가 실행되고 있지 않아 질문을 워커에게 전달할 수 없습니다.',
    todo: '코디네이터가 실행되어야 답변할 수 있습니다.',
  },
  no_model: {
    what: '체인에 아직 모델이 없습니다.',
    todo: '서버 운영자가 모델을 가져오거나 다른 이름을 설정해야 합니다.',
  },
  no_chain: {
    what: '체인에 아직 제네시스 블록이 없습니다.',
    todo: '서버를 처음 시작할 때 만들어집니다.',
  },
  model_not_found: {
    what: '체인에 이 모델이 더 이상 없습니다.',
    todo: '다시 물어보세요. 지금 있는 모델이 답합니다.',
  },
  model_not_chat: {
    what: '이 모델과는 대화할 수 없습니다.',
    todo: '서버 운영자가 대화 템플릿이 있는 모델을 골라야 합니다.',
  },
  model_gone: {
    what: '이 답변을 쓴 모델은 더 이상 제공되지 않습니다.',
    todo: '이어서 쓸 수 없습니다. 질문을 다시 해서 새 답변을 받으세요.',
  },
  nothing_to_continue: {
    what: '이 답변에는 이어서 쓸 것이 없습니다.',
    todo: '질문을 다시 해서 새 답변을 받으세요.',
  },
  queue_full: {
    what: '이미 너무 많은 질문이 워커를 기다리고 있습니다.',
    todo: '줄은 몇 초 안에 짧아집니다. 잃은 것은 없으니 다시 물어보세요.',
  },
  rate_limit_exceeded: {
    what: '이 서버가 1분 동안 허용하는 만큼 이미 물어보았습니다.',
    todo: '잃은 것은 없습니다. 시간이 지난 뒤 다시 물어보세요.',
  },
  deadline_exceeded: {
    what: '답변이 제한 시간 안에 끝나지 않았습니다.',
    todo: '쓰인 것은 남아 있습니다. 덜 붐빌 때 다시 묻거나 더 짧은 답변을 요청하세요.',
  },
  attempts_exhausted: {
    what: '이 답변을 시도한 워커가 모두 실패했습니다.',
    todo: '다시 물어보세요. 또 실패하면 다른 표현으로 물어보세요.',
  },
  answer_corrupt: {
    what: '저장된 답변의 내용이 서로 맞지 않습니다.',
    todo: '다시 물어서 새 답변을 받으세요.',
  },
  answer_lost: {
    what: '답변이 끝났지만 글이 보관되지 않았습니다.',
    todo: '다시 물어서 새 답변을 받으세요.',
  },
  answer_not_found: {
    what: '서버에 이 답변이 더 이상 없습니다.',
    todo: '다시 물어서 새 답변을 받으세요.',
  },
  answer_open: {
    what: '앞의 답변이 아직 작성되고 있습니다.',
    todo: '다른 탭에서 물었을 수 있습니다. 끝날 때까지 기다리거나 중지한 뒤 다시 물어보세요.',
  },
  context_length_exceeded: {
    what: '대화와 다음 답변이 모델이 읽을 수 있는 길이를 넘었습니다.',
    todo: '새 대화를 시작하거나 앞의 질문을 고치거나, 매개변수의 “답변의 최대 길이(토큰)”를 줄이세요.',
  },
  out_of_range: {
    what: '매개변수 하나가 가능한 범위를 벗어났습니다.',
    todo: '값을 바꾼 뒤 다시 물어보세요. 답변의 최대 길이가 너무 큰 경우가 가장 많습니다.',
  },
  messages_refused: {
    what: '모델의 템플릿이 이 대화를 받아들이지 않습니다.',
    todo: '시스템 프롬프트를 바꾸거나 새 대화를 시작하세요.',
  },
  conversation_full: {
    what: '이 대화의 메시지가 최대 개수에 이르렀습니다.',
    todo: '새 대화를 시작하세요.',
  },
  too_many_conversations: {
    what: '이 브라우저의 대화가 최대 개수에 이르렀습니다.',
    todo: '필요 없는 대화를 삭제한 뒤 다시 물어보세요.',
  },
  conversation_not_found: {
    what: '서버에 이 대화가 더 이상 없습니다.',
    todo: '다른 탭에서 삭제되었을 수 있습니다. 새 대화를 시작하세요.',
  },
  redis_unavailable: {
    what: '지금은 큐에 연결할 수 없습니다.',
    todo: '서버 쪽의 문제입니다. 잠시 뒤에 다시 물어보세요.',
  },
  database_unavailable: {
    what: '지금은 데이터베이스에 연결할 수 없습니다.',
    todo: '서버 쪽의 문제입니다. 잠시 뒤에 다시 물어보세요.',
  },
  shutting_down: {
    what: '서버가 다시 시작되고 있습니다.',
    todo: '잠시 뒤에 다시 물어보세요.',
  },
  internal_error: {
    what: '서버에서 오류가 났으며 기록되었습니다.',
    todo: '다시 물어보세요. 또 실패하면 서버 운영자가 기록에서 원인을 찾을 수 있습니다.',
  },
  foreign_origin: {
    what: '서버가 이 페이지를 다른 사이트의 것으로 여깁니다.',
    todo: '프록시 뒤에서 운영한다면 BLYAN_PUBLIC_URL을 지금 보이는 주소로 설정해야 합니다.',
  },
  stopped_offline: {
    what: '여기서는 중지했지만 서버에 알리지 못했습니다.',
    todo: '서버에서는 계속 쓰고 있을 수 있습니다. 페이지를 새로 고치면 결과를 볼 수 있습니다.',
  },
  no_answer: {
    what: '서버가 응답하지 않습니다.',
    todo: '인터넷 연결을 확인한 뒤 다시 시도하세요.',
  },
  unknown: {
    what: '서버의 응답을 이 페이지가 이해하지 못합니다.',
    todo: '페이지를 새로 고치세요. 더 새로운 페이지가 있을 수 있습니다.',
  },
};
