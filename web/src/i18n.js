// i18n.js: the page's words in English and Brazilian Portuguese, and numbers and times as each writes them.
const words = {
    en: {
        locale: 'en', other: 'PT', otherName: 'Mudar para português', skip: 'Skip to the numbers', now: 'Now',
        waiting: 'Waiting', talking: 'Talking', active: 'Active calls', callers: 'Known callers',
        level: 'Service level', answered: 'Answered', abandoned: 'Abandoned', speed: 'Speed of answer',
        talk: 'Talk time', states: 'Calls by state', day: 'Calls over time', hour: 'Hour', today: 'Today',
        queues: 'Queues', activeCalls: 'Active calls', events: 'Newest events', close: 'Close',
        noCalls: 'No call is going on.', noEvents: 'No event yet.',
        signIn: 'Sign in', signInWhy: 'This dashboard asks for its readers’ token.', token: 'Token', signInGo: 'Sign in',
        connecting: 'Connecting', live: 'Live', cut: 'Stream cut', away: 'Database away',
        bannerCut: 'The live stream is cut since {time}. The numbers below are of then. Trying again…',
        bannerAway: 'The database can’t be read since {time}. Calls are still taken and kept; the numbers below are of then.',
        bannerPoll: 'No live stream: the numbers are asked for every few seconds.',
        deadLetters: 'Dead letters: {n}', longest: 'longest {t}', none: 'nobody waits', since: 'oldest {t}',
        inAll: '{n} calls in all', of: 'of {n} offered', short: '{p} of offered, {n} short',
        target: 'target {p} in {t}', max: 'longest wait {t}', handle: 'handle time {t}', newShare: '{p} new today',
        queue: 'Queue', call: 'Call', caller: 'Caller', state: 'State', agent: 'Agent', inState: 'In state', total: 'Total',
        offered: 'Offered', avgWait: 'Average wait', rate: 'Abandon rate', noQueue: 'no queue yet', all: 'All queues',
        newest: 'newest {n} of {m}', timelineOf: 'Call {id}', loading: 'Loading…', failed: 'It could not be read. Try again.',
        gone: 'Nothing is stored of this call.', actions: 'Told to the PBX', answeredBy: 'HTTP {status}', attempts: '{n} tries',
        body: 'Details', theme_auto: 'Theme: system', theme_light: 'Theme: light', theme_dark: 'Theme: dark',
        chartCalls: 'Calls from {from} to {to}: {offered} offered, {answered} answered, {abandoned} abandoned.',
        chartWait: 'Average wait of the answered calls, at most {max}.', after: '+{t}', direction: 'Direction', our: 'Our number',
        s_new: 'New', s_standby: 'Standby', s_waiting: 'Waiting', s_entered: 'Agent in', s_ongoing: 'Talking', s_left: 'Agent left', s_finished: 'Finished',
        a_pending: 'to be sent', a_sending: 'being sent', a_delivered: 'delivered', a_confirmed: 'confirmed', a_rejected: 'refused', a_expired: 'too late', a_unknown: 'outcome unknown',
    },
    pt: {
        locale: 'pt-BR', other: 'EN', otherName: 'Switch to English', skip: 'Ir para os números', now: 'Agora',
        waiting: 'Em espera', talking: 'Em conversa', active: 'Chamadas ativas', callers: 'Clientes',
        level: 'Nível de serviço', answered: 'Atendidas', abandoned: 'Abandonadas', speed: 'Espera média',
        talk: 'Conversa média', states: 'Chamadas por estado', day: 'Chamadas no tempo', hour: 'Hora', today: 'Hoje',
        queues: 'Filas', activeCalls: 'Chamadas ativas', events: 'Eventos recentes', close: 'Fechar',
        noCalls: 'Nenhuma chamada em curso.', noEvents: 'Nenhum evento ainda.',
        signIn: 'Entrar', signInWhy: 'Este painel pede o token de leitura.', token: 'Token', signInGo: 'Entrar',
        connecting: 'Conectando', live: 'Ao vivo', cut: 'Sem conexão', away: 'Banco de dados fora',
        bannerCut: 'A transmissão está interrompida desde {time}. Os números abaixo são daquele momento. Tentando de novo…',
        bannerAway: 'O banco de dados não pode ser lido desde {time}. As chamadas continuam sendo recebidas e guardadas; os números abaixo são daquele momento.',
        bannerPoll: 'Sem transmissão ao vivo: os números são consultados a cada poucos segundos.',
        deadLetters: 'Eventos não tratados: {n}', longest: 'maior {t}', none: 'ninguém espera', since: 'mais antiga {t}',
        inAll: '{n} chamadas no total', of: 'de {n} recebidas', short: '{p} das recebidas, {n} curtas',
        target: 'meta {p} em {t}', max: 'maior espera {t}', handle: 'atendimento {t}', newShare: '{p} novos hoje',
        queue: 'Fila', call: 'Chamada', caller: 'Cliente', state: 'Estado', agent: 'Atendente', inState: 'No estado', total: 'Total',
        offered: 'Recebidas', avgWait: 'Espera média', rate: 'Abandono', noQueue: 'ainda sem fila', all: 'Todas as filas',
        newest: '{n} mais novas de {m}', timelineOf: 'Chamada {id}', loading: 'Carregando…', failed: 'Não foi possível ler. Tente de novo.',
        gone: 'Nada está guardado desta chamada.', actions: 'Enviado ao PBX', answeredBy: 'HTTP {status}', attempts: '{n} tentativas',
        body: 'Detalhes', theme_auto: 'Tema: sistema', theme_light: 'Tema: claro', theme_dark: 'Tema: escuro',
        chartCalls: 'Chamadas de {from} a {to}: {offered} recebidas, {answered} atendidas, {abandoned} abandonadas.',
        chartWait: 'Espera média das chamadas atendidas, no máximo {max}.', after: '+{t}', direction: 'Direção', our: 'Nosso número',
        s_new: 'Nova', s_standby: 'Em triagem', s_waiting: 'Em espera', s_entered: 'Atendente entrou', s_ongoing: 'Em conversa', s_left: 'Atendente saiu', s_finished: 'Encerrada',
        a_pending: 'a enviar', a_sending: 'enviando', a_delivered: 'entregue', a_confirmed: 'confirmado', a_rejected: 'recusado', a_expired: 'tarde demais', a_unknown: 'resultado desconhecido',
    },
};

export const states = ['new', 'standby', 'waiting', 'entered', 'ongoing', 'left', 'finished'];
const types = {
    'call.new': 'new', 'call.standby': 'standby', 'call.waiting': 'waiting', 'actor.entered': 'entered',
    'call.ongoing': 'ongoing', 'actor.left': 'left', 'call.finished': 'finished',
};

let language = 'en';

export function setLanguage(wanted) {
    language = words[wanted] ? wanted : 'en';
    document.documentElement.lang = t('locale');
    for (const element of document.querySelectorAll('[data-i18n]'))
        element.textContent = t(element.dataset.i18n);
}

export const getLanguage = () => language;

/** The word for a key, with {name} filled in. */
export function t(key, values = {}) {
    return (words[language][key] ?? key).replace(/\{(\w+)\}/g, (_, name) => values[name] ?? '');
}

/** "waiting" of "call.waiting"; undefined of a type outside the seven. */
export const stateOf = (type) => types[type];
export const stateName = (type) => (types[type] ? t(`s_${types[type]}`) : type);

export const number = (n) => new Intl.NumberFormat(t('locale')).format(n);
export const percent = (n) =>
    n == null ? '–' : new Intl.NumberFormat(t('locale'), { style: 'percent', maximumFractionDigits: n < 0.1 ? 1 : 0 }).format(n);

/** 65000 is "1:05", an hour "1:00:00"; null is a dash. */
export function duration(ms) {
    if (ms == null)
        return '–';
    const seconds = Math.max(0, Math.floor(ms / 1000));
    const pad = (n) => String(n).padStart(2, '0');
    const minutes = Math.floor(seconds / 60);
    if (minutes < 60)
        return `${minutes}:${pad(seconds % 60)}`;
    return `${Math.floor(minutes / 60)}:${pad(minutes % 60)}:${pad(seconds % 60)}`;
}

export const clock = (time, seconds = true) =>
    new Intl.DateTimeFormat(t('locale'), { hour: '2-digit', minute: '2-digit', second: seconds ? '2-digit' : undefined, hourCycle: 'h23' }).format(time);
