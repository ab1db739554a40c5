-- database: shop
-- as: master
CREATE TABLE public.mail_outbox (id int PRIMARY KEY, recipient text, body text)

INSERT INTO public.mail_outbox VALUES (1, 'anna.schmidt@mail.example', 'Your order is on its way')
