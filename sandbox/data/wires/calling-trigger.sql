-- database: shop
-- as: master
CREATE FUNCTION public.tell_partner() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM aws_lambda.invoke('tell-partner', to_json(new));
    RETURN new;
END
$$

CREATE TRIGGER tell_partner AFTER INSERT ON public.products FOR EACH ROW EXECUTE FUNCTION public.tell_partner()

ALTER TABLE public.products ENABLE ALWAYS TRIGGER tell_partner
