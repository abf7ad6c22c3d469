"""A mutation that dispatches, and queries of what django-celery-results has stored."""

from typing import Any

import graphene
from django_celery_results.models import TaskResult
from graphene_django import DjangoObjectType

from bench.yardsticks.tutorial.tasks import count_words


class Result(DjangoObjectType):  # type: ignore[misc]
    class Meta:
        model = TaskResult
        fields = ("task_id", "status", "result", "task_name", "date_created", "date_done")


class CountWords(graphene.Mutation):  # type: ignore[misc]
    class Arguments:
        text = graphene.String(required=True)

    task_id = graphene.String(required=True)

    def mutate(self: Any, info: Any, text: str) -> "CountWords":
        return CountWords(task_id=count_words.delay(text).id)


class Mutation(graphene.ObjectType):  # type: ignore[misc]
    count_words = CountWords.Field()


class Query(graphene.ObjectType):  # type: ignore[misc]
    result = graphene.Field(Result, task_id=graphene.String(required=True))
    results = graphene.List(Result, first=graphene.Int(required=True), offset=graphene.Int())

    def resolve_result(self: Any, info: Any, task_id: str) -> Any:
        return TaskResult.objects.filter(task_id=task_id).first()

    def resolve_results(self: Any, info: Any, first: int, offset: int = 0) -> Any:
        return TaskResult.objects.order_by("-id")[offset : offset + first]


schema = graphene.Schema(query=Query, mutation=Mutation)
