{# Returns what int_builds is to say of the model at hand once it is built, and whether
   the model is built anew (`is_anew`), which is told to people with the reason. #}
{% macro build_at_hand() %}
    {% set basis = build_basis() %}
    {% set last = last_build(model.name) %}
    {% set adds = last and is_incremental() %}
    {% set built = load_relation(this) %}
    {% set was_addable = not built or can_be_added_to(built) %}
    {% if last and not adds and was_addable and not flags.FULL_REFRESH %}
        {% do print(model.name ~ ' is built anew: ' ~ (
            'its SQL, or that of a model before it, changed.' if last.code != basis.code
            else 'its table was gone.' if last.inputs == basis.inputs
            else 'raw records were replaced or dropped, and what was built of them.'
        )) %}
    {% endif %}
    {{ return({
        'model_name': model.name,
        'is_anew': last and not adds,
        'generation': last.generation if adds else this_run(),
        'code': basis.code,
        'inputs': basis.inputs,
        'built_through': basis.built_through,
        'built_at': this_run(),
    }) }}
{% endmacro %}
